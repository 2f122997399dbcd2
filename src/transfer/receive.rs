//! Receive: a transfer's content, from the source's head to its end.
//!
//! Rules: each block goes to the partial and to all readers in one step. The order at the end is: received
//! (readers end), connection given back, then what `publish` does. Content that breaks off is continued from the
//! same or the next source, with proof that it is the same file (`resume`), and no reader notices. What cannot
//! be stored any more is relayed from the same connection.
//!
//! Not here: asking at first (`fetch`), reading (`reader`), the name (`publish`).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::prove::take_in;
use super::publish::{Received, Unnamed};
use super::request::{Purpose, Request};
use super::resume::Resume;
use super::writer::{Abandoned, WriteError, Writer};
use super::{Representation, kept};
use crate::http::media_type;
use crate::log;
use crate::manifests::Proof;
use crate::net::timed_out;
use crate::stats::{Outcome, Reason, Verdict};
use crate::store::{Partial, Store, Validation};
use crate::sys::limits::{limits, ms};
use crate::upstream::{Failure, Fault, Response, Upstream};

/// How much is read from a source at a time, in bytes: of twice as much nothing is gained but memory.
const SOURCE_BLOCK: usize = 512 * 1024;

/// The same of what is not stored: a slow reader must take a block within its patience.
const RELAYED_BLOCK: usize = 256 * 1024;

/// A transfer whose head is there.
pub struct Receive<'a> {
    store: &'a Arc<Store>,
    upstream: &'a Upstream,
    request: &'a Request,
    writer: Writer,
    partial: Option<Partial>,
    representation: Arc<Representation>,
    /// What a source must show to continue broken content; none if nothing could show it.
    resume: Option<Resume>,
    /// What shows at the end whether it is what is expected; none if nothing is.
    proof: Option<Proof>,
    /// The sources that content came from until it broke off, each once, the last one last.
    broken: Vec<usize>,
    /// How many bytes had been received when the present response began.
    begun_at: u64,
    /// When the last byte came, as far as the breaks tell.
    last_byte: Instant,
    breaks: Breaks,
}

/// How often the content broke lately.
#[derive(Default)]
struct Breaks {
    attempts: u64,
    /// How many bytes had been received at the first of them.
    since: u64,
}

impl<'a> Receive<'a> {
    /// Content of which `representation` says what it is, for `writer`, from a response that began at byte `begun_at`;
    /// without a partial it is not stored.
    pub fn new(
        store: &'a Arc<Store>,
        upstream: &'a Upstream,
        request: &'a Request,
        writer: Writer,
        begun_at: u64,
        partial: Option<Partial>,
        representation: Arc<Representation>,
    ) -> Self {
        // A part is continued by the reader that asked for it (`serve::relay`).
        let whole = !matches!(request.purpose, Purpose::Part(_));
        Self {
            store,
            upstream,
            request,
            writer,
            partial,
            resume: whole.then(|| Resume::of(&representation)).flatten(),
            representation,
            proof: None,
            broken: Vec::new(),
            begun_at,
            last_byte: Instant::now(),
            breaks: Breaks::default(),
        }
    }

    /// The same, for content that `proof` must find right.
    pub fn proving(self, proof: Option<Proof>) -> Self {
        Self { proof, ..self }
    }

    /// Receives the content to its end, up to the name. It waits for nothing if all of the content has come.
    pub fn run(mut self, mut response: Response) -> Received {
        let length = self.representation.length;
        // Readers have it already, and need not wait for the digest.
        if let (Some(proof), Some(partial)) = (&mut self.proof, &self.partial)
            && let Err(cause) = take_in(proof, partial, &self.writer)
        {
            self.store.failed(&self.request.path, &cause);
            return self.fail();
        }
        // A block no larger than what is to come: a large one would be mapped and unmapped for each small file.
        let most = length.map(|length| length.saturating_sub(self.writer.received()));
        let most = most.and_then(|most| usize::try_from(most).ok());
        let mut block = vec![0; most.map_or(SOURCE_BLOCK, |most| most.min(SOURCE_BLOCK))];
        loop {
            let moved = self.pump(&mut response, &mut block, length);
            let received = self.writer.received();
            let broken_off = self.writer.exchange().is_broken_off();
            match moved {
                _ if broken_off && length != Some(received) => {
                    let why = broken("hardly anything comes, and others wait");
                    self.note_break(&response, &why, length);
                    self.upstream
                        .demote(response.source, self.upstream.timeout());
                }
                Ok(()) if received == 0 && length.is_none() && self.is_archive() => {
                    self.note_break(&response, &broken("it is empty"), length);
                    self.blame(response.source);
                    self.distrust_broken(Fault::Broke);
                    return self.fail();
                }
                Ok(()) if length.is_none_or(|length| received == length) => break,
                Err(Stop::Abandoned) => return self.fail(),
                Ok(()) => {
                    let why = broken("the range sent was shorter than asked for");
                    self.note_break(&response, &why, length);
                }
                Err(Stop::Broken(cause)) => self.note_break(&response, &cause, length),
            }
            // The broken connection is closed before another one is opened.
            self.writer.exchange().let_go();
            let source = response.source;
            drop(response);
            match self.go_on() {
                Some(next) => response = next,
                None => {
                    // Nobody has more of what they sent, so that may be no copy of what is expected; and who comes next
                    // gets another source's.
                    if self.request.is_shared() && !self.writer.is_abandoned() {
                        self.blame(source);
                        self.distrust_broken(Fault::Broke);
                    }
                    return self.fail();
                }
            }
        }
        if let Err(why) = self.prove() {
            self.note_wrong(&response, &why);
            self.writer.refute();
            return Err(Outcome::Failed);
        }
        let (end, age) = (self.writer.received(), self.writer.age());
        if self.writer.finish().is_err() {
            return self.fail();
        }
        self.upstream.finish(response, self.writer.exchange());
        Ok(Unnamed {
            partial: self.partial.ok_or(Outcome::Passed)?,
            representation: self.representation,
            length: end,
            age,
        })
    }

    /// Whether the file is an archive or a package, which cannot be empty.
    fn is_archive(&self) -> bool {
        let whole = !matches!(self.request.purpose, Purpose::Part(_));
        whole && !self.request.is_listing() && media_type::is_archive(self.request.path.name())
    }

    /// Whether the content is what is expected; if not, what it is.
    fn prove(&mut self) -> Result<(), String> {
        let Some(proof) = self.proof.take().filter(|_| !self.writer.is_abandoned()) else {
            return Ok(());
        };
        let proved = proof.finish(|| self.request.expected.look_again());
        let verdict = match proved {
            Ok(()) => Verdict::Good,
            Err(_) => Verdict::Bad,
        };
        self.upstream.stats().verified(verdict);
        proved
    }

    /// Logs wrong content and counts it. All sources that had a part in it are asked last for this file.
    fn note_wrong(&self, response: &Response, why: &str) {
        let path = self.request.upstream.path();
        log::error!(
            "source {}: not the file: {why}; nothing is stored, and clients are cut off before its end",
            response.url
        );
        self.distrust_broken(Fault::Wrong);
        self.upstream.at_fault(response.source, path, Fault::Wrong);
        let stats = self.upstream.stats();
        stats.source_failed(response.source, Reason::NotTheFile, path, why);
    }

    /// Notes that the content of a source broke off.
    fn blame(&mut self, source: usize) {
        self.broken.retain(|earlier| *earlier != source);
        self.broken.push(source);
    }

    /// Has the sources whose content broke off asked last for this file. If one is stored, that is served for a while:
    /// else nobody would get it as long as a source has a wrong one.
    fn distrust_broken(&self, fault: Fault) {
        let path = self.request.upstream.path();
        for source in &self.broken {
            self.upstream.at_fault(*source, path, fault);
        }
        if let Some(held) = &self.request.held {
            let (freshness, path) = (self.store.freshness(), &self.request.path);
            freshness.note_validation(path, &held.etag, Validation::Unanswered);
        }
    }

    fn fail(self) -> Received {
        self.writer.fail(Failure::Broken);
        let (store, request) = (self.store, self.request);
        kept::leave(
            store,
            request,
            &self.representation,
            &self.writer,
            self.partial,
        );
        Err(Outcome::Failed)
    }

    /// Hands the content of one response to the writer, to its end, or until it is longer than it may be.
    fn pump(
        &mut self,
        response: &mut Response,
        block: &mut [u8],
        length: Option<u64>,
    ) -> Result<(), Stop> {
        loop {
            // A source may send more than its range has.
            let left = length.map_or(u64::MAX, |of| of.saturating_sub(self.writer.received()));
            let most = match self.partial {
                Some(_) => block.len(),
                None => block.len().min(RELAYED_BLOCK),
            };
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(most);
            let space = block.get_mut(..most).unwrap_or_default();
            if space.is_empty() {
                return Ok(());
            }
            let count = response.read(space).map_err(Stop::Broken)?;
            let bytes = block.get(..count).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            let grown = self.writer.received() + count as u64;
            if length.is_some_and(|length| grown > length) {
                return Err(Stop::Broken(broken("more content than was announced")));
            }
            self.store_block(bytes, length)
                .map_err(|Abandoned| Stop::Abandoned)?;
            // After the readers have it: they need not wait for the digest.
            if let Some(proof) = &mut self.proof {
                proof.update(bytes);
                if proof.is_refuted(|| self.request.expected.look_again()) {
                    return Ok(());
                }
            }
        }
    }

    /// Logs a break and counts it. A source that fell silent is asked last for a while.
    fn note_break(&mut self, response: &Response, cause: &io::Error, length: Option<u64>) {
        let at = self.writer.received();
        if at > self.begun_at {
            self.blame(response.source);
        }
        let of = length.map_or_else(String::new, |length| format!(" of {length}"));
        let (url, timeout) = (&response.url, self.upstream.timeout());
        let silence = match timed_out(cause) {
            true => timeout,
            false => Duration::ZERO,
        };
        if !self.writer.is_abandoned() {
            let why = match silence.is_zero() {
                true => cause.to_string(),
                false => format!("silent for {} s", timeout.as_secs()),
            };
            log::warning!("source {url}: broke off after {at}{of} bytes: {why}");
            let path = self.request.upstream.path();
            self.upstream.broke(response.source, path, &why, silence);
        }
        if at > self.begun_at {
            let now = Instant::now();
            self.last_byte = now.checked_sub(silence).unwrap_or(now);
        }
        if let Some(resume) = &mut self.resume {
            let gained = if timed_out(cause) || self.writer.exchange().is_broken_off() {
                0
            } else {
                at.saturating_sub(self.begun_at)
            };
            resume.broke(response.source, gained);
        }
        self.begun_at = at;
        if at.saturating_sub(self.breaks.since) >= limits().gain_bytes {
            self.breaks = Breaks {
                attempts: 0,
                since: at,
            };
        }
    }

    /// Asks the sources for the rest, with proof that it is the same file, in several rounds with pauses.
    fn go_on(&mut self) -> Option<Response> {
        let received = self.writer.received();
        let Some(resume) = self.resume.as_mut() else {
            log::debug!("{}: nothing could prove a rest", self.request.path);
            return None;
        };
        let overlap = self.writer.tail(limits().overlap_bytes)?;
        let mut pause = ms(limits().pause_ms);
        // From the last byte, not from this break: a source may prove itself and then fall silent each time.
        let deadline = self.last_byte + self.upstream.timeout().saturating_mul(3);
        while self.breaks.attempts < limits().attempts
            && Instant::now() < deadline
            && !self.writer.is_abandoned()
        {
            self.breaks.attempts += 1;
            let (upstream, exchange) = (self.upstream, self.writer.exchange());
            let request = &self.request.upstream;
            if let Some(response) = resume.ask(upstream, request, exchange, received, &overlap) {
                log::info!("source {}: goes on at byte {received}", response.url);
                upstream.stats().resumed.add(1);
                return Some(response);
            }
            let hopeless = resume.is_hopeless(upstream, request);
            let more = self.breaks.attempts < limits().attempts && !hopeless;
            if !more || Instant::now() + pause > deadline || !self.writer.pause(pause) {
                return None;
            }
            pause = pause.saturating_mul(2);
        }
        None
    }

    /// Writes one block to the file, or to the ring when that fails.
    fn store_block(&mut self, bytes: &[u8], length: Option<u64>) -> Result<(), Abandoned> {
        if length.is_none() {
            if !self.writer.is_read() {
                return Err(Abandoned);
            }
            let most = limits().unknown_bytes;
            let grown = self.writer.received() + bytes.len() as u64;
            if self.partial.is_some() && grown > most {
                let why = format!("its length is unknown and over {most} bytes");
                self.stop_storing(&io::Error::other(why));
            }
        }
        match self.writer.write(bytes) {
            Ok(()) => {
                let room = self.partial.as_mut();
                // Other programs write to the file system too, so that the room may be gone.
                if let Some(Err(cause)) = room.map(|partial| partial.wrote(bytes.len() as u64)) {
                    self.stop_storing(&cause);
                }
                Ok(())
            }
            Err(WriteError::Abandoned) => Err(Abandoned),
            Err(WriteError::Store(cause)) => {
                self.stop_storing(&cause);
                self.writer.write(bytes).map_err(|_| Abandoned)
            }
        }
    }

    fn stop_storing(&mut self, cause: &io::Error) {
        self.store.failed(&self.request.path, cause);
        self.writer.stop_storing();
        self.partial = None;
    }
}

/// Why a response was not read to its end.
enum Stop {
    /// The transfer was given up.
    Abandoned,
    /// It broke off.
    Broken(io::Error),
}

fn broken(why: &'static str) -> io::Error {
    io::Error::other(why)
}
