//! What a source answers, right or spoilt.

use std::io;

use super::fault::Fault;
use super::file::{File, Mood, Version};
use super::source::{Request, Shared};
use crate::storm::pause;
use crate::support::{Dice, Exchange};

/// How content is framed.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// What happens after the bytes that are sent.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// What ought to; the connection may go on.
    Proper,
    Close,
    Reset,
    Silence,
    Drip,
    Garbage,
}

/// An answer before it is sent.
pub struct Reply {
    status: &'static str,
    fields: Vec<String>,
    framing: Framing,
    body: Vec<u8>,
    /// How many bytes of the body are sent before the end.
    until: usize,
    end: End,
    /// Sends this and no HTTP.
    raw: Option<Vec<u8>>,
    dice: Dice,
    slow: bool,
}

impl Reply {
    fn new(status: &'static str, body: Vec<u8>, dice: Dice) -> Self {
        Self {
            status,
            fields: Vec::new(),
            framing: Framing::Length(body.len()),
            until: body.len(),
            body,
            end: End::Proper,
            raw: None,
            dice,
            slow: false,
        }
    }

    /// There is no such file.
    pub fn missing() -> Self {
        Self::new("404 Not Found", b"no such file\n".to_vec(), Dice::of(&[]))
    }

    /// The answer to a request, spoilt if the dice say so.
    pub fn roll(
        source: &Shared,
        file: &File,
        version: usize,
        mut dice: Dice,
        request: &Request,
    ) -> Self {
        let spoilt = match file.moods[source.number] {
            Mood::Honest => false,
            Mood::Faulty(percent) => dice.chance(percent),
            Mood::Dying => true,
        };
        let slow = dice.chance(40);
        let mut reply = Self::honest(
            source.number,
            version,
            &file.versions[version],
            request,
            dice,
        );
        reply.slow = slow;
        if spoilt {
            let fault = match file.moods[source.number] {
                Mood::Dying => Fault::Death,
                _ => {
                    let satisfiable = !reply.status.starts_with("416");
                    Fault::roll(&mut reply.dice, file, request, satisfiable)
                }
            };
            source.figures.add("faults", 1);
            source.figures.add(&format!("fault {fault:?}"), 1);
            reply.spoil(fault, source, file, version, request);
        }
        reply
    }

    fn honest(
        source: usize,
        number: usize,
        version: &Version,
        request: &Request,
        dice: Dice,
    ) -> Self {
        let all = version.content.len();
        let mut reply = match request.range {
            None => Self::new("200 OK", version.content.clone(), dice),
            Some((first, _)) if first >= all => {
                let mut reply = Self::new("416 Range Not Satisfiable", Vec::new(), dice);
                reply.fields.push(format!("Content-Range: bytes */{all}"));
                return reply;
            }
            Some((first, last)) => {
                let last = last.unwrap_or(all).min(all - 1);
                let part = version.content[first..=last].to_vec();
                let mut reply = Self::new("206 Partial Content", part, dice);
                reply.range(first, last, all);
                reply
            }
        };
        reply.fields.extend(version.modified());
        if version.tagged {
            reply.fields.push(format!("ETag: \"{source}-{number}\""));
        }
        reply
    }

    fn range(&mut self, first: usize, last: usize, all: usize) {
        self.drop_field("Content-Range");
        self.fields
            .push(format!("Content-Range: bytes {first}-{last}/{all}"));
    }

    fn drop_field(&mut self, name: &str) {
        self.fields.retain(|line| !line.starts_with(name));
    }

    fn spoil(
        &mut self,
        fault: Fault,
        source: &Shared,
        file: &File,
        version: usize,
        request: &Request,
    ) {
        match fault {
            Fault::NoHead(how) => self.stop(how, Some(Vec::new())),
            Fault::Status(status) => {
                *self = Self::new(status, b"oops\n".to_vec(), self.dice.clone())
            }
            Fault::NoHttp => self.stop(0, Some(b"220 mail.example ESMTP\r\n\r\n".to_vec())),
            Fault::Page => {
                *self = Self::new(
                    "200 OK",
                    b"<html>Log in first</html>".to_vec(),
                    self.dice.clone(),
                );
                self.fields.push("Content-Type: text/html".to_owned());
            }
            Fault::Redirect | Fault::DrippingRedirect => {
                let other = self.dice.pick(source.all.get().unwrap());
                *self = Self::new("302 Found", Vec::new(), self.dice.clone());
                self.fields
                    .push(format!("Location: http://{other}{}", file.path));
                if fault == Fault::DrippingRedirect {
                    (self.framing, self.end) = (Framing::Length(9_000), End::Drip);
                }
            }
            Fault::Whole | Fault::DrippingWhole => {
                let whole = Request {
                    range: None,
                    head: false,
                };
                let dice = self.dice.clone();
                *self = Self::honest(source.number, 0, &file.versions[0], &whole, dice);
                if fault == Fault::DrippingWhole {
                    (self.until, self.end) = (0, End::Drip);
                }
            }
            _ => {
                self.break_off(fault);
                let start = request.range.map_or(0, |(first, _)| first);
                self.mistake(fault, file, start);
                self.lie(fault, file, version, start);
                if let (Fault::Shifted | Fault::OtherBytes, Some((_, Some(_)))) =
                    (fault, request.range)
                {
                    file.lie(start, &self.body);
                }
            }
        }
    }

    /// What goes wrong with the framing or the end of a body.
    fn break_off(&mut self, fault: Fault) {
        let some = self.dice.up_to(self.body.len());
        match fault {
            Fault::Break(how) => {
                let at_once = if self.status.starts_with("206") {
                    40
                } else {
                    15
                };
                self.until = if self.dice.chance(at_once) { 0 } else { some };
                self.stop(how, None);
            }
            Fault::Death => {
                self.until = self.dice.up_to(75_000).min(self.body.len());
                self.stop(0, None);
            }
            Fault::LongLength => {
                self.framing = Framing::Length(self.body.len() + 1 + self.dice.up_to(9_000));
                self.stop(0, None);
            }
            Fault::Chunks => self.framing = Framing::Chunked,
            Fault::NoLastChunk | Fault::BadChunk => {
                self.framing = Framing::Chunked;
                self.until = some;
                self.end = if fault == Fault::BadChunk {
                    End::Garbage
                } else {
                    End::Close
                };
            }
            Fault::UntilClose => self.framing = Framing::UntilClose,
            Fault::UntilReset => {
                (self.framing, self.until, self.end) = (Framing::UntilClose, some, End::Reset);
            }
            _ => {}
        }
    }

    /// Other bytes for a part that begins at `part`, the same whenever they are told.
    fn lie(&mut self, fault: Fault, file: &File, version: usize, part: usize) {
        let bytes = self.body.len();
        let (content, from) = match fault {
            Fault::Shifted => (&file.versions[version].content, part + 1),
            Fault::OtherBytes => (&file.versions[usize::from(version == 0)].content, part),
            _ => return,
        };
        // There is nothing to tell of an empty file.
        if content.is_empty() {
            return;
        }
        let told = content.iter().cycle().skip(from);
        self.body = told.take(bytes).copied().collect();
    }

    /// What is wrong with the head or the length of a part that begins at `part`.
    fn mistake(&mut self, fault: Fault, file: &File, part: usize) {
        let last = (part + self.body.len()).saturating_sub(1);
        let all = file.versions[0].content.len();
        match fault {
            Fault::OtherStart => self.range(part + 1, last + 1, all + 1),
            Fault::OtherTotal => {
                let more = 1 + self.dice.up_to(5);
                self.range(part, last, all + more);
            }
            Fault::StarTotal => {
                self.drop_field("Content-Range");
                self.fields
                    .push(format!("Content-Range: bytes {part}-{last}/*"));
            }
            Fault::NoRange => self.drop_field("Content-Range"),
            Fault::Shorter => {
                self.body.truncate(1 + self.dice.up_to(self.body.len() - 1));
                self.range(part, part + self.body.len() - 1, all);
                (self.until, self.framing) = (self.body.len(), Framing::Length(self.body.len()));
            }
            Fault::Longer => {
                self.body.resize(self.body.len() + 5_000, b'!');
                (self.until, self.framing) = (self.body.len(), Framing::Length(self.body.len()));
            }
            Fault::OtherTime => {
                self.drop_field("Last-Modified");
                self.fields
                    .push("Last-Modified: Wed, 21 Oct 2015 07:28:59 GMT".to_owned());
            }
            Fault::NoTime => self.drop_field("Last-Modified"),
            Fault::OtherTag => {
                self.drop_field("ETag");
                self.fields.push("ETag: \"other\"".to_owned());
            }
            _ => {}
        }
    }

    fn stop(&mut self, how: u64, raw: Option<Vec<u8>>) {
        self.raw = raw;
        self.end = [End::Close, End::Reset, End::Silence, End::Drip][how as usize];
    }

    /// Sends it; true if the connection goes on.
    pub fn send(mut self, exchange: &mut Exchange, request: &Request) -> io::Result<bool> {
        if self.end != End::Reset {
            exchange.read_last()?;
        }
        if let Some(raw) = self.raw.take() {
            exchange.send(&raw)?;
            return self.end(exchange);
        }
        if self.dice.chance(10) {
            exchange.send("HTTP/1.1 103 Early Hints\r\n\r\n")?;
        }
        match self.framing {
            Framing::Length(length) => self.fields.push(format!("Content-Length: {length}")),
            Framing::Chunked => self.fields.push("Transfer-Encoding: chunked".to_owned()),
            Framing::UntilClose => self.fields.push("Connection: close".to_owned()),
        }
        exchange.send_head(self.status, &self.fields)?;
        if !request.head {
            self.send_body(exchange)?;
        }
        self.end(exchange)
    }

    fn send_body(&mut self, exchange: &mut Exchange) -> io::Result<()> {
        let mut left = &self.body[..self.until];
        while !left.is_empty() {
            let most = if self.slow {
                self.body.len() / 8
            } else {
                left.len()
            };
            let piece = (1 + self.dice.up_to(most)).min(left.len());
            let (now, later) = left.split_at(piece);
            match self.framing {
                Framing::Chunked => exchange.send_chunk(now)?,
                _ => exchange.send(now)?,
            }
            left = later;
            if self.slow {
                pause(self.dice.below(60));
            }
        }
        match (self.framing, self.end) {
            (Framing::Chunked, End::Proper) => exchange.send_chunk(b""),
            _ => Ok(()),
        }
    }

    fn end(&self, exchange: &mut Exchange) -> io::Result<bool> {
        match self.end {
            End::Proper => return Ok(self.framing != Framing::UntilClose),
            End::Close | End::Reset => {}
            End::Silence => exchange.stall()?,
            End::Drip => exchange.drip()?,
            End::Garbage => exchange.send("not a chunk\r\n")?,
        }
        Ok(false)
    }
}
