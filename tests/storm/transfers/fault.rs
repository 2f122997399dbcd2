//! In how many ways an answer can be wrong.

use super::file::File;
use super::source::Request;
use crate::support::Dice;

/// What goes wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// Closed, reset, silent or dripping before the head ends.
    NoHead(u64),
    /// Another status.
    Status(&'static str),
    /// No HTTP at all.
    NoHttp,
    /// A page instead of the file.
    Page,
    /// To the same file at another source.
    Redirect,
    /// The same, with content that drips.
    DrippingRedirect,
    /// Closed, reset or silent in mid-body.
    Break(u64),
    /// Closed soon after what is compared.
    Death,
    /// More announced than there is.
    LongLength,
    /// Chunks, whole.
    Chunks,
    /// Chunks without the last one.
    NoLastChunk,
    /// Chunks and then none.
    BadChunk,
    /// Framed by the close.
    UntilClose,
    /// Framed by the close, but reset.
    UntilReset,
    /// A 200 for a range.
    Whole,
    /// The same, dripping.
    DrippingWhole,
    /// A part that begins elsewhere, and says so.
    OtherStart,
    /// Every byte is the one that comes after it in the file.
    Shifted,
    /// A complete length that is another one.
    OtherTotal,
    /// An unknown complete length.
    StarTotal,
    /// A 206 without Content-Range.
    NoRange,
    /// A part that ends early, and says so.
    Shorter,
    /// A part with more bytes than its range.
    Longer,
    /// Another file of the same length and time.
    OtherBytes,
    /// The same file with another time.
    OtherTime,
    /// Without its time.
    NoTime,
    /// With another entity tag.
    OtherTag,
}

impl Fault {
    /// A fault that fits the request; of lies that no cache can see through there are only those in answer
    /// to a reader's own range that nothing came before.
    pub fn roll(dice: &mut Dice, file: &File, request: &Request, satisfiable: bool) -> Self {
        let status = [
            Self::Status("404 Not Found"),
            Self::Status("500 Oops"),
            Self::Status("503 Gone to lunch"),
            Self::Status("416 Range Not Satisfiable"),
            Self::Status("204 No Content"),
        ];
        if request.head || dice.chance(15) {
            let any = [
                Self::NoHead(0),
                Self::NoHead(1),
                Self::NoHead(2),
                Self::NoHead(3),
                dice.pick(&status),
            ];
            let other = [
                Self::NoHttp,
                Self::Page,
                Self::Redirect,
                Self::DrippingRedirect,
            ];
            return dice.pick(&[&any[..], &other].concat());
        }
        if !satisfiable {
            return Self::Status("404 Not Found");
        }
        if dice.chance(match request.range {
            None if file.sure => 100,
            _ => 45,
        }) {
            return Self::Break(dice.pick(&[0, 0, 0, 1, 1, 2]));
        }
        let seen = [
            Self::Whole,
            Self::OtherStart,
            Self::OtherTotal,
            Self::StarTotal,
            Self::NoRange,
            Self::Shorter,
            Self::Longer,
            Self::OtherTime,
            Self::NoTime,
            Self::OtherTag,
        ];
        let compared = [Self::Shifted, Self::OtherBytes];
        match request.range {
            None => dice.pick(&[
                Self::LongLength,
                Self::Chunks,
                Self::NoLastChunk,
                Self::BadChunk,
                Self::UntilClose,
                Self::UntilReset,
            ]),
            // What was received is too little to compare if all of it is asked for again.
            Some((0, None)) => dice.pick(&seen),
            // All of it must come again before it can go on: that is given up in time.
            Some(_) => dice.pick(&[&seen[..], &compared, &[Self::DrippingWhole]].concat()),
        }
    }
}
