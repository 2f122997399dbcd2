//! What a client asks for and how it reads.

use crate::support::{Dice, Framing, Response};

/// What a client asks for and how it reads.
pub struct Order {
    /// Whether with HEAD.
    pub head: bool,
    /// The first byte asked for, and the last.
    pub range: Option<(usize, Option<usize>)>,
    /// Only if the file still has this entity tag.
    pub if_range: Option<String>,
    /// Whether with HTTP/1.0.
    pub old: bool,
    /// Whether it wants no other answer.
    pub close: bool,
    /// Whether it reads slowly.
    pub slow: bool,
    /// After so many bytes it leaves.
    pub leaves: Option<usize>,
}

impl Order {
    /// An order of chance for a file of this length.
    pub fn roll(dice: &mut Dice, length: usize) -> Self {
        let first = dice.up_to(length + length / 8);
        let last = dice.chance(50).then(|| first + dice.up_to(length));
        Self {
            head: dice.chance(7),
            range: dice.chance(30).then_some((first, last)),
            if_range: None,
            old: dice.chance(15),
            close: dice.chance(30),
            slow: dice.chance(25),
            leaves: dice.chance(12).then(|| dice.up_to(length)),
        }
    }

    /// The request for a target.
    pub fn text(&self, path: &str) -> String {
        let method = if self.head { "HEAD" } else { "GET" };
        let version = if self.old { "1.0" } else { "1.1" };
        let mut text = format!("{method} {path} HTTP/{version}\r\nHost: cache.example\r\n");
        if let Some((first, last)) = self.range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            text += &format!("Range: bytes={first}-{last}\r\n");
        }
        if let Some(tag) = &self.if_range {
            text += &format!("If-Range: {tag}\r\n");
        }
        if self.close {
            text += "Connection: close\r\n";
        }
        text + "\r\n"
    }

    /// Whether the connection goes on behind this answer.
    pub fn is_kept(&self, head: &Response, framing: Framing) -> bool {
        let closes = framing == Framing::UntilClose || head.field("connection") == Some("close");
        !self.old && !closes
    }
}
