//! Begun: a request that was sent by one thread and is gone on with by the same or another.
//!
//! Rules: the thread that began it waits for `look_ms` at most, for all of a small content or the first bytes of a long one.

use std::time::Instant;

use crate::http::{
    Caps, Framing, Malformed, Method, Parsed, ResponseHead, StatusCode, framing, parse_response,
};
use crate::net::Wire;
use crate::sys::limits::{limits, ms};

/// The longest content that is awaited as a whole, in bytes: it is sent in one piece too.
const SMALL: u64 = 32 * 1024;

/// Of longer content so many bytes are awaited: they tell of what kind it is.
const FIRST: u64 = 64;

/// What has come of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// Nothing that can be gone on with at once.
    Nothing,
    /// The head and the first bytes of long content.
    First,
    /// All of it.
    Whole,
}

/// A request that was sent, and what was read of the response.
#[derive(Debug)]
pub struct Begun {
    /// When it was sent.
    pub at: Instant,
    /// Its connection.
    pub wire: Wire,
    /// The first head of the response, if it was read.
    pub head: Option<ResponseHead>,
}

impl Begun {
    /// Reads what comes of the response within `look_ms`: all of one that needs no further request, or the first bytes of a
    /// long one. Going on with it, as far as it has come, then waits for nothing.
    pub fn look(&mut self, asked: Method) -> Came {
        let deadline = Instant::now() + ms(limits().look_ms);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.wire.set_patience(left);
            // What failed now fails again for whoever goes on.
            if left.is_zero() || !self.wire.fill().is_ok_and(|count| count > 0) {
                return Came::Nothing;
            }
            if self.head.is_none() {
                self.head = self.wire.head_ahead(parse).and_then(Result::ok);
            }
            let ahead = self.wire.ahead().len() as u64;
            match self.length(asked) {
                Some(length) if length <= ahead => return Came::Whole,
                Some(length) if length > SMALL && ahead >= FIRST => return Came::First,
                Some(_) => {}
                None => return Came::Nothing,
            }
        }
    }

    /// How long the content is, if it can be used at once.
    fn length(&self, asked: Method) -> Option<u64> {
        let head = self.head.as_ref()?;
        if !matches!(head.status, StatusCode::OK | StatusCode::NOT_MODIFIED) {
            return None;
        }
        match (framing::of_response(head, Method::Get).ok()?, asked) {
            (Framing::None, _) | (_, Method::Head) => Some(0),
            (Framing::Length(length), _) => Some(length),
            _ => None,
        }
    }
}

/// A source's head at the front of the bytes.
pub fn parse(bytes: &[u8]) -> Result<Parsed<ResponseHead>, Malformed> {
    parse_response(bytes, &Caps::RESPONSE)
}
