//! A client in a storm: it comes late, reads slowly, leaves, comes back, and looks at every byte.

use super::LIMIT;
use super::file::{File, Witness};
use super::order::Order;
use crate::storm::pause;
use crate::storm::tally::Tally;
use crate::support::{self, Dice, Figures, Framing, Reader, Response};

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    /// Whole; the connection goes on or not.
    Whole { kept: bool },
    /// Short of its promise, by a close or a reset.
    Cut { reset: bool },
    /// By us.
    Left,
    /// A status that is no content.
    Refused,
}

impl End {
    /// What the connection showed of it; nothing if we left before.
    fn seen(self) -> Option<support::End> {
        match self {
            Self::Whole { .. } | Self::Refused => Some(support::End::Complete),
            Self::Cut { reset: false } => Some(support::End::Cut),
            Self::Cut { reset: true } => Some(support::End::Reset),
            Self::Left => None,
        }
    }
}

/// Asks for a file, some times; whether with a GET, or what went against the promise.
pub fn run<'a>(
    daemons: &[&'a Tally],
    file: &'a File,
    mut dice: Dice,
    figures: &'a Figures,
) -> Result<bool, String> {
    let length = file.versions[0].content.len();
    if dice.chance(50) {
        pause(dice.below(500));
    }
    let mut visit = Visit {
        file,
        figures,
        connection: None,
        tag: None,
        witness: None,
    };
    let mut order = Order::roll(&mut dice, length);
    let mut got = false;
    for _ in 0..4 {
        got |= !order.head;
        let daemon = dice.pick(daemons);
        let end = visit
            .exchange(daemon, &order, &mut dice)
            .map_err(|why| format!("{}: {why}; asked {:?}", file.path, order.text(&file.path)))?;
        let comes_back = match end {
            End::Whole { .. } => dice.chance(30),
            End::Cut { .. } | End::Left => dice.chance(70),
            End::Refused => dice.chance(30),
        };
        if !comes_back {
            break;
        }
        order = Order::roll(&mut dice, length);
        if !matches!(end, End::Whole { kept: true }) {
            visit.connection = None;
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
    /// A connection that goes on, and whose it is.
    connection: Option<(Reader, &'a Tally)>,
    /// The entity tag of the last answer, and what came of its content.
    tag: Option<String>,
    witness: Option<Witness<'a>>,
}

impl<'a> Visit<'a> {
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
        daemon: &'a Tally,
        order: &Order,
        dice: &mut Dice,
    ) -> Result<End, String> {
        let (mut reader, tally) = match self.connection.take() {
            Some(kept) => kept,
            None => (Reader::connect(daemon.address(), LIMIT)?, daemon),
        };
        // A connection that was kept may have been closed meanwhile; not so here, within its limit.
        let sent = reader.send(order.text(&self.file.path).as_bytes());
        sent.map_err(|cause| cause.to_string())?;
        let head = reader.head(order.head)?;
        let (read, end) = self.content(&mut reader, &head, order, dice)?;
        self.figures.add("clients: bytes", read as u64);
        tally.count(&head, read, end.seen(), self.file.longest());
        let (what, complete) = match end {
            End::Whole { .. } => ("clients: served", true),
            End::Cut { .. } => ("clients: cut", false),
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
            // Nothing may follow an answer; a connection that is not kept is closed.
            match reader.behind(!kept)? {
                0 => self.connection = kept.then_some((reader, tally)),
                count => return Err(format!("{count} bytes behind the answer")),
            }
        }
        Ok(end)
    }

    /// Reads what follows a head and checks it; how many bytes of content.
    fn content(
        &mut self,
        reader: &mut Reader,
        head: &Response,
        order: &Order,
        dice: &mut Dice,
    ) -> Result<(usize, End), String> {
        let framing = reader.framing();
        if order.old && head.field("transfer-encoding").is_some() {
            return Err(format!("a coding for HTTP/1.0: {head:?}"));
        }
        let kept = order.is_kept(head, framing);
        let resumed = self.witness.take().filter(|_| order.if_range.is_some());
        let mut witness = match (head.status, resumed) {
            (200, _) => Witness::new(self.file, 0),
            (206, resumed) => {
                let (first, _) = order.range.ok_or("a 206 that nobody asked for")?;
                resumed.map_or_else(|| Witness::new(self.file, first), Witness::resume)
            }
            (416, _) if order.range.is_some() => {
                let read = self.unsatisfiable(reader, head, order)?;
                return Ok((read, End::Whole { kept }));
            }
            (404 | 502 | 503 | 504, _) => return Ok((read_text(reader)?, End::Refused)),
            _ => return Err(format!("a strange answer: {head:?}")),
        };
        let part = self.promised(head, order, framing, &mut witness)?;
        if order.head {
            return Ok((0, End::Whole { kept }));
        }
        self.tag = head.field("etag").map(str::to_owned);
        let begin = witness.at();
        let end = read(reader, order, kept, dice, &mut witness)?;
        let bytes = witness.at() - begin;
        if matches!(end, End::Whole { .. }) {
            let at = witness.at();
            let whole = |length: usize| part.map_or(length, |(_, last)| last + 1) == at;
            witness.only(|version| whole(version.content.len()), "ends")?;
        }
        self.witness = Some(witness);
        Ok((bytes, end))
    }

    /// Checks the head against the versions; the part that a 206 promises.
    fn promised(
        &self,
        head: &Response,
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
            let by_length = matches!(framing, Framing::Length(_) | Framing::Done(_));
            if let (true, true, Some(length)) = (self.file.sure, by_length, announced) {
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
        reader: &mut Reader,
        head: &Response,
        order: &Order,
    ) -> Result<usize, String> {
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
        read_text(reader)
    }
}

/// Reads content as the order says and shows it to the witness.
fn read(
    reader: &mut Reader,
    order: &Order,
    kept: bool,
    dice: &mut Dice,
    witness: &mut Witness<'_>,
) -> Result<End, String> {
    let begin = witness.at();
    if order.slow {
        pause(dice.below(1_000));
    }
    loop {
        let came = witness.at() - begin;
        let more = match reader.framing() {
            Framing::Length(left) => left > 0,
            Framing::Chunked(left) => left.is_some(),
            Framing::UntilClose => true,
            Framing::Done(_) => false,
        };
        if more && order.leaves.is_some_and(|most| came >= most) {
            return Ok(End::Left);
        }
        let mut most = 64 << 10;
        if more && order.slow {
            pause(dice.below(40));
            most = 1 + dice.up_to((came / 8).max(60_000));
        }
        match reader.some(most)? {
            Ok(bytes) => witness.see(&bytes)?,
            Err(support::End::Complete) => return Ok(End::Whole { kept }),
            Err(cut) => {
                let reset = cut == support::End::Reset;
                return Ok(End::Cut { reset });
            }
        }
    }
}

/// Reads over a short text, which must be framed by its length and come whole; how many bytes.
fn read_text(reader: &mut Reader) -> Result<usize, String> {
    let framed = matches!(reader.framing(), Framing::Length(_) | Framing::Done(_));
    match reader.rest()? {
        (text, support::End::Complete) if framed => Ok(text.len()),
        _ => Err("a cut error".to_owned()),
    }
}
