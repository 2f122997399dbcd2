//! A client in a storm: it comes late, reads slowly, leaves, comes back, and looks at every byte.

use std::net::SocketAddr;

use super::figures::Figures;
use super::file::{File, Witness};
use super::pause;
use super::wire::{Framing, Head, Wire};
use crate::support::Dice;

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
    fn roll(dice: &mut Dice, length: usize) -> Self {
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

    fn text(&self, path: &str) -> String {
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
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    /// Whole; the connection goes on or not.
    Whole { kept: bool },
    /// Short of its promise.
    Cut,
    /// By us.
    Left,
    /// A status that is no content.
    Refused,
}

/// Asks for a file, some times; whether with a GET, or what went against the promise.
pub fn run(
    daemons: &[SocketAddr],
    file: &File,
    mut dice: Dice,
    figures: &Figures,
) -> Result<bool, String> {
    let length = file.versions[0].content.len();
    if dice.chance(50) {
        pause(dice.below(500));
    }
    let mut visit = Visit {
        file,
        figures,
        wire: None,
        tag: None,
        witness: None,
    };
    let mut order = Order::roll(&mut dice, length);
    let mut got = false;
    for _ in 0..4 {
        got |= !order.head;
        let address = dice.pick(daemons);
        let end = visit
            .exchange(address, &order, &mut dice)
            .map_err(|why| format!("{}: {why}; asked {:?}", file.path, order.text(&file.path)))?;
        let comes_back = match end {
            End::Whole { .. } => dice.chance(30),
            End::Cut | End::Left => dice.chance(70),
            End::Refused => dice.chance(30),
        };
        if !comes_back {
            break;
        }
        order = Order::roll(&mut dice, length);
        if !matches!(end, End::Whole { kept: true }) {
            visit.wire = None;
        }
        if !matches!(end, End::Whole { .. } | End::Refused) {
            visit.go_on(&mut order);
        }
    }
    Ok(got)
}

/// A client with what it knows of the file.
struct Visit<'a> {
    file: &'a File,
    figures: &'a Figures,
    wire: Option<Wire>,
    /// The entity tag of the last answer, and what came of its content.
    tag: Option<String>,
    witness: Option<Witness<'a>>,
}

impl Visit<'_> {
    /// Asks for the rest of what was cut, as a client that resumes does: same tag, same file.
    fn go_on(&self, order: &mut Order) {
        let (Some(tag), Some(witness)) = (&self.tag, &self.witness) else {
            return;
        };
        if !self.file.twins && !witness.is_deceived() {
            order.head = false;
            order.range = Some((witness.at(), None));
            order.if_range = Some(tag.clone());
            self.figures.add("clients: resumed", 1);
        }
    }

    fn exchange(
        &mut self,
        address: SocketAddr,
        order: &Order,
        dice: &mut Dice,
    ) -> Result<End, String> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::connect(address)?,
        };
        // A connection that was kept may have been closed meanwhile; not so here, within its limit.
        wire.send(&order.text(&self.file.path))?;
        let head = wire.head()?;
        let end = self.content(&mut wire, &head, order, dice)?;
        let (what, complete) = match end {
            End::Whole { .. } => ("clients: served", true),
            End::Cut => ("clients: cut", false),
            End::Left => ("clients: left", true),
            End::Refused => ("clients: refused", false),
        };
        self.figures.add(what, 1);
        let deceived = self.witness.as_ref().is_some_and(Witness::is_deceived);
        if deceived {
            self.figures.add("clients: deceived", 1);
        }
        if self.file.sure && !complete && !deceived {
            return Err(format!("{end:?} after {head:?}, though a source has it"));
        }
        if let End::Whole { kept } = end {
            wire.is_at_end(kept)?;
            self.wire = kept.then_some(wire);
        }
        Ok(end)
    }

    /// Reads what follows a head and checks it.
    fn content(
        &mut self,
        wire: &mut Wire,
        head: &Head,
        order: &Order,
        dice: &mut Dice,
    ) -> Result<End, String> {
        let framing = head.framing(order)?;
        let resumed = self.witness.take().filter(|_| order.if_range.is_some());
        let mut witness = match (head.status, resumed) {
            (200, _) => Witness::new(self.file, 0),
            (206, resumed) => {
                let (first, _) = order.range.ok_or("a 206 that nobody asked for")?;
                resumed.map_or_else(|| Witness::new(self.file, first), Witness::resume)
            }
            (416, _) if order.range.is_some() => {
                return self.unsatisfiable(wire, head, framing, order);
            }
            (404 | 502 | 503 | 504, _) => {
                return match wire.drain(framing)? {
                    true => Ok(End::Refused),
                    false => Err("a cut error".to_owned()),
                };
            }
            _ => return Err(format!("a strange answer: {head:?}")),
        };
        let part = self.promised(head, order, framing, &mut witness)?;
        if order.head {
            return Ok(End::Whole {
                kept: head.kept(order, framing),
            });
        }
        self.tag = head.field("etag").map(str::to_owned);
        let begin = witness.at();
        let end = wire.content(framing, order, dice, &mut witness);
        self.figures
            .add("clients: bytes", (witness.at() - begin) as u64);
        let end = end?;
        if end {
            let at = witness.at();
            let whole = |length: usize| part.map_or(length, |(_, last)| last + 1) == at;
            witness.only(|version| whole(version.content.len()), "ends")?;
        }
        self.witness = Some(witness);
        Ok(match (end, order.leaves) {
            (true, _) => End::Whole {
                kept: head.kept(order, framing),
            },
            (false, Some(_)) if wire.left => End::Left,
            (false, _) => End::Cut,
        })
    }

    /// Checks the head against the versions; the part that a 206 promises.
    fn promised(
        &self,
        head: &Head,
        order: &Order,
        framing: Framing,
        witness: &mut Witness<'_>,
    ) -> Result<Option<(usize, usize)>, String> {
        let time = head.field("last-modified").unwrap_or_default();
        let same_time = |line: String| line.ends_with(time) && !time.is_empty();
        witness.only(
            |version| version.modified().is_none_or(same_time),
            "has this time",
        )?;
        let announced = head
            .field("content-length")
            .and_then(|length| length.parse().ok());
        if head.status == 200 {
            // More may be announced than there is: then it must be cut.
            if let (true, Framing::Length(_), Some(length)) = (self.file.sure, framing, announced) {
                witness.only(|version| version.content.len() == length, "is so long")?;
            }
            return Ok(None);
        }
        let field = head
            .field("content-range")
            .ok_or("a 206 without Content-Range")?;
        let numbers = field
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'));
        let parsed = numbers.and_then(|(range, all)| {
            let (first, last) = range.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?, all.parse().ok()?))
        });
        let (first, last, all): (usize, usize, usize) = parsed.ok_or(format!("part {field:?}"))?;
        let (from, to) = order.range.unwrap_or_default();
        let expected = (from, to.unwrap_or(all).min(all - 1));
        if (first, last) != expected || announced != Some(last + 1 - first) {
            return Err(format!("asked {expected:?}, answered {head:?}"));
        }
        Ok(Some((first, last)))
    }

    fn unsatisfiable(
        &self,
        wire: &mut Wire,
        head: &Head,
        framing: Framing,
        order: &Order,
    ) -> Result<End, String> {
        let (first, _) = order.range.unwrap_or_default();
        let mut versions = self.file.versions.iter();
        // A source may have announced more than there is.
        if self.file.sure
            && versions
                .next()
                .is_none_or(|version| version.content.len() > first)
        {
            return Err(format!("416 for byte {first}: {head:?}"));
        }
        match wire.drain(framing)? {
            true => Ok(End::Whole {
                kept: head.kept(order, framing),
            }),
            false => Err("a cut error".to_owned()),
        }
    }
}
