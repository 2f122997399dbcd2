//! What a source has under a name, and how it sends it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Dice, Exchange};

/// How many sources there are.
pub const SOURCES: u64 = 3;

/// The longest wait of a source.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The copy of one file at one source.
#[derive(Clone)]
pub struct Copy {
    /// For messages.
    what: &'static str,
    /// Its bytes; none if it has no such file.
    content: Option<Arc<Vec<u8>>>,
    /// Whether it is sent in chunks.
    chunked: bool,
    /// The source breaks off here, and goes on when it is asked to.
    breaks: Option<usize>,
    /// How many bytes more, or fewer, than there are it announces.
    lie: i64,
}

impl Copy {
    /// The file itself, which may break off.
    pub fn right(dice: &mut Dice, content: &[u8]) -> Self {
        let breaks = dice.chance(30) && content.len() > 200_000;
        Self {
            what: "right",
            content: Some(Arc::new(content.to_vec())),
            chunked: !breaks && dice.chance(20),
            breaks: breaks.then(|| 70_000 + dice.up_to(content.len() - 140_000)),
            lie: 0,
        }
    }

    /// The file, or what a bad source has in its place.
    pub fn roll(dice: &mut Dice, content: &[u8]) -> Self {
        let right = Self::right(dice, content);
        let mut wrong = content.to_vec();
        let mut lie = 0;
        let kind = dice.below(7);
        match kind {
            0 => return right,
            1 => wrong.truncate(dice.up_to(content.len() - 1)),
            2 => {
                let at = dice.up_to(content.len() - 1);
                wrong[at] ^= 1 << dice.below(8);
            }
            3 => wrong.extend((0..=dice.up_to(100)).map(|_| dice.roll() as u8)),
            // An old version of the same length.
            4 => wrong.iter_mut().for_each(|byte| *byte = !*byte),
            5 => lie = if dice.chance(50) { 1 } else { -1 },
            _ => {
                return Self {
                    what: "none",
                    content: None,
                    ..right
                };
            }
        }
        Self {
            what: ["", "cut", "flipped", "padded", "old", "lying"][kind as usize],
            content: Some(Arc::new(wrong)),
            breaks: None,
            chunked: lie == 0 && dice.chance(20),
            lie,
        }
    }

    /// How many bytes it has, or says it has.
    pub fn length(&self) -> usize {
        let length = self.content.as_ref().map_or(0, |content| content.len());
        length.max(length.saturating_add_signed(self.lie as isize))
    }
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.content.as_ref().map(|content| content.len());
        let Self {
            what,
            chunked,
            breaks,
            lie,
            ..
        } = self;
        write!(
            f,
            "{what} {length:?} chunked={chunked} breaks={breaks:?} lie={lie}"
        )
    }
}

/// Sends the copy, or the part that is asked for; whether the connection is kept.
pub fn answer(exchange: &mut Exchange, copy: Option<Copy>) -> io::Result<bool> {
    exchange.read_last()?;
    let modified = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT".to_owned();
    let Some((copy, content)) = copy.and_then(|copy| Some((copy.clone(), copy.content?))) else {
        exchange.send_head("404 Not Found", &["Content-Length: 0"])?;
        return Ok(true);
    };
    let range = exchange.request.range();
    if let Some((first, last)) = range.filter(|(first, _)| *first < content.len()) {
        let last = last.unwrap_or(usize::MAX).min(content.len() - 1);
        let fields = [
            format!("Content-Range: bytes {first}-{last}/{}", content.len()),
            format!("Content-Length: {}", last + 1 - first),
            modified,
        ];
        exchange.send_head("206 Partial Content", &fields)?;
        exchange.send(&content[first..=last])?;
        return Ok(true);
    }
    if copy.chunked {
        exchange.send_head(
            "200 OK",
            &["Transfer-Encoding: chunked".to_owned(), modified],
        )?;
        for chunk in content.chunks(50_000) {
            exchange.send_chunk(chunk)?;
        }
        exchange.send_chunk(b"")?;
        return Ok(true);
    }
    let announced = content.len() as i64 + copy.lie;
    let fields = [format!("Content-Length: {announced}"), modified];
    exchange.send_head("200 OK", &fields)?;
    exchange.send(&content[..copy.breaks.unwrap_or(content.len())])?;
    Ok(copy.breaks.is_none() && copy.lie == 0)
}
