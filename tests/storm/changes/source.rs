//! A source at which files change whenever they are asked for, and whose answers go wrong.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::world::{World, date};
use crate::storm::pause;
use crate::support::{Dice, Exchange, LIMIT, Server};

/// A running source.
pub struct Source {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    number: usize,
    world: Arc<World>,
    seed: u64,
    /// How many answers out of a hundred are spoilt.
    faults: AtomicU64,
}

impl Source {
    /// Binds, then accepts.
    pub fn start(number: usize, world: &Arc<World>, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            number,
            world: Arc::clone(world),
            seed,
            faults: AtomicU64::new(0),
        });
        let answering = Arc::clone(&shared);
        let answer = move |exchange: &mut Exchange| answering.answer(exchange);
        Self {
            server: Server::start(LIMIT, answer),
            shared,
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// So many answers out of a hundred are spoilt from now on.
    pub fn spoil(&self, faults: u64) {
        self.shared.faults.store(faults, Ordering::SeqCst);
    }

    /// How many requests came.
    pub fn asked(&self) -> u64 {
        self.server.asked() as u64
    }

    /// Whether no answer is being given.
    pub fn is_quiet(&self) -> bool {
        self.server.is_quiet()
    }
}

impl Shared {
    /// Answers a request; true if the connection is kept.
    fn answer(&self, exchange: &mut Exchange) -> io::Result<bool> {
        exchange.read_last()?;
        let range = exchange.request.range();
        let since = exchange.request.field("if-modified-since");
        let since = since.map(str::to_owned);
        // Each request has dice of its own.
        let parts = [self.seed, self.number as u64, exchange.number as u64];
        let mut dice = Dice::of(&parts);
        let Some((version, content)) =
            self.world
                .turn(self.number, &exchange.request.target, &mut dice)
        else {
            return send(exchange, "404 Not Found", &[], b"no such file\n");
        };
        let fault = dice
            .chance(self.faults.load(Ordering::SeqCst))
            .then(|| dice.below(13));
        let date = date(version);
        let mut fields = vec![format!("Last-Modified: {date}")];
        if dice.chance(50) {
            fields.push(format!("ETag: \"v{version}\""));
        }
        // Some mean by the condition that this is their very time, some know of none.
        let condition = since.as_deref().filter(|_| fault != Some(0));
        let exact = self.number == 0;
        let unchanged = condition.is_some_and(|since| match exact {
            true => since == date,
            false => *since >= *date,
        });
        match fault {
            Some(1) => return Ok(false),
            Some(2) => return silence(exchange),
            Some(3) => {
                exchange.send("HTTP/1.1 200 OK\r\nContent-Le")?;
                return silence(exchange);
            }
            Some(4) => return send(exchange, "503 Gone to lunch", &[], b"oops\n"),
            Some(5) => return send(exchange, "404 Not Found", &[], b"no such file\n"),
            Some(6) => {
                let page = "Content-Type: text/html".to_owned();
                return send(exchange, "200 OK", &[page], b"<html>Log in first</html>");
            }
            // With a condition, nobody could see through it.
            Some(7) if since.is_none() => {
                return send(exchange, "304 Not Modified", &fields, b"");
            }
            Some(8 | 9) => fields.clear(),
            _ if unchanged => return send(exchange, "304 Not Modified", &fields, b""),
            _ => {}
        }
        let first = range.map_or(0, |(first, _)| first);
        let (status, body) = match content.get(first..) {
            Some(rest) if range.is_some() && !rest.is_empty() => {
                let (_, last) = range.unwrap_or_default();
                let last = last.unwrap_or(usize::MAX).min(content.len() - 1);
                let all = content.len();
                fields.push(format!("Content-Range: bytes {first}-{last}/{all}"));
                ("206 Partial Content", &content[first..=last])
            }
            _ => ("200 OK", content.as_slice()),
        };
        let head_only = exchange.request.is_head();
        if fault == Some(10) && range.is_none() && !head_only {
            fields.push("Transfer-Encoding: chunked".to_owned());
            exchange.send_head(status, &fields)?;
            if !body.is_empty() {
                exchange.send_chunk(body)?;
            }
            exchange.send_chunk(b"")?;
            return Ok(true);
        }
        fields.push(format!("Content-Length: {}", body.len()));
        exchange.send_head(status, &fields)?;
        if head_only {
            return Ok(true);
        }
        let broken = matches!(fault, Some(11 | 12));
        let most = if broken {
            dice.up_to(body.len())
        } else {
            body.len()
        };
        let begin = dice.up_to(most);
        exchange.send(&body[..begin])?;
        if dice.chance(40) {
            pause(dice.below(30));
        }
        exchange.send(&body[begin..most])?;
        match fault {
            Some(12) if dice.chance(20) => silence(exchange),
            _ => Ok(!broken),
        }
    }
}

/// Sends an answer of its own length; true if it has no content, for a HEAD may have asked.
fn send(exchange: &mut Exchange, status: &str, fields: &[String], body: &[u8]) -> io::Result<bool> {
    let mut fields = fields.to_vec();
    if !status.starts_with("304") {
        fields.push(format!("Content-Length: {}", body.len()));
    }
    exchange.send_head(status, &fields)?;
    exchange.send(body)?;
    Ok(body.is_empty())
}

/// Says nothing more until the daemon hangs up.
fn silence(exchange: &mut Exchange) -> io::Result<bool> {
    exchange.stall()?;
    Ok(false)
}
