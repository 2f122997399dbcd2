//! Date: HTTP dates in whole seconds since the epoch; three forms are read, one is written (RFC 9110 §5.6.7).
//!
//! Rules: dates are compared as times, never as text. Writing is total: every i64 has a text, and years outside
//! 0 to 9999 are written as the nearest one. Reading accepts the three forms to the letter; only the weekday
//! may be wrong.
//!
//! Not here: reading the clock.

use std::fmt::{self, Display};
use std::time::{SystemTime, UNIX_EPOCH};

/// A time in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HttpDate(i64);

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY: i64 = 86_400;
/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the limits of four digits.
const FIRST: i64 = -62_167_219_200;
const LAST: i64 = 253_402_300_799;

impl HttpDate {
    /// 2025-01-01T00:00:00Z. This program was written later: a clock that stands before it cannot be right.
    pub const WRITTEN: Self = Self(1_735_689_600);

    /// The time this many seconds after the epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// The time of a clock, in whole seconds; the epoch if it is before that.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// Seconds since the epoch.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Whether it is within a day of 1970. A server that keeps no times says so of every file, however often
    /// that changes.
    pub const fn is_unset(self) -> bool {
        self.0.unsigned_abs() <= DAY.unsigned_abs()
    }

    /// Reads an IMF-fixdate, an rfc850-date or an asctime-date. `now` decides the century of the second, which
    /// is at most 50 years ahead (RFC 9110 §5.6.7).
    pub fn parse(text: &[u8], now: HttpDate) -> Option<Self> {
        let mut input = Input(text);
        let long = input.weekday()?;
        let civil = match (input.0.first()?, long) {
            (b' ', false) => input.asctime()?,
            (b',', false) => input.imf_fixdate()?,
            (b',', true) => input.rfc850(now)?,
            _ => return None,
        };
        if input.0.is_empty() {
            civil.date()
        } else {
            None
        }
    }

    /// As `22/Nov/2026:19:21:00 +0000`, the form of access logs.
    pub fn common_log(self) -> impl Display {
        CommonLog(self)
    }

    /// As `2026-11-22T19:21:00Z` (RFC 3339).
    pub fn rfc3339(self) -> impl Display {
        Rfc3339(self)
    }
}

impl HttpDate {
    /// As an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn text(self) -> [u8; 29] {
        let civil = Civil::of(self);
        let [w0, w1, w2] = self.weekday();
        let [d0, d1] = two_digits(civil.day);
        let [m0, m1, m2] = civil.month_name();
        let ([y0, y1], [y2, y3]) = (two_digits(civil.year / 100), two_digits(civil.year));
        let [h0, h1] = two_digits(civil.hour);
        let [n0, n1] = two_digits(civil.minute);
        let [s0, s1] = two_digits(civil.second);
        // Written in one piece: every response has two dates, and a formatter takes time for each of its
        // pieces.
        #[rustfmt::skip]
        let text = [
            w0, w1, w2, b',', b' ', d0, d1, b' ', m0, m1, m2, b' ', y0, y1, y2, y3, b' ',
            h0, h1, b':', n0, n1, b':', s0, s1, b' ', b'G', b'M', b'T',
        ];
        text
    }
}

/// The text of the date that was asked for last: many responses are sent within one second.
#[derive(Debug, Default)]
pub struct LastDate(Option<(HttpDate, [u8; 29])>);

impl LastDate {
    /// The text of `date`.
    pub fn text(&mut self, date: HttpDate) -> [u8; 29] {
        match self.0 {
            Some((last, text)) if last == date => text,
            _ => self.0.insert((date, date.text())).1,
        }
    }
}

impl Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

struct CommonLog(HttpDate);

impl Display for CommonLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        let month = civil.month_name();
        let month = str::from_utf8(&month).unwrap_or_default();
        write!(f, "{:02}/{month}/{:04}:", civil.day, civil.year)?;
        write!(
            f,
            "{:02}:{:02}:{:02} +0000",
            civil.hour, civil.minute, civil.second
        )
    }
}

struct Rfc3339(HttpDate);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of(self.0);
        write!(f, "{:04}-{:02}-{:02}T", civil.year, civil.month, civil.day)?;
        write!(
            f,
            "{:02}:{:02}:{:02}Z",
            civil.hour, civil.minute, civil.second
        )
    }
}

/// The low two decimal digits of a number that is not negative.
fn two_digits(number: i64) -> [u8; 2] {
    let number = number as u32;
    let digit = |value: u32| b'0'.saturating_add((value % 10) as u8);
    [digit(number / 10), digit(number)]
}

impl HttpDate {
    /// Days since the first day of the year 0, and seconds of the day, clamped to the years 0 to 9999. Small
    /// numbers without a sign: every response has two dates, and divisions are most of what they cost.
    fn days_and_clock(self) -> (u32, u32) {
        const A_DAY: u64 = DAY.unsigned_abs();
        let seconds = (self.0.clamp(FIRST, LAST) - FIRST).unsigned_abs();
        ((seconds / A_DAY) as u32, (seconds % A_DAY) as u32)
    }

    fn weekday(self) -> [u8; 3] {
        // The first day of the year 0 was a Saturday.
        let (days, _) = self.days_and_clock();
        let index = ((days + 5) % 7) as usize;
        let name = WEEKDAYS
            .get(index)
            .and_then(|name| name.as_bytes().first_chunk());
        name.copied().unwrap_or(*b"Thu")
    }
}

/// A time of the proleptic Gregorian calendar. The fields are in the order of their weight, for comparisons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Civil {
    year: i64,
    /// 1 to 12.
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// The fields of a time, clamped to the years 0 to 9999.
    fn of(date: HttpDate) -> Self {
        let (days, clock) = date.days_and_clock();
        // Years begin in March here, so that the leap day is the last of its year; the first of them 400 years
        // before the year 0, so that January and February of that count too.
        let days = days + 146_097 - 60;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = era * 400 + year_of_era + u32::from(month <= 2);
        Self {
            year: i64::from(year) - 400,
            month: i64::from(month),
            day: i64::from(day_of_year - (153 * march_month + 2) / 5 + 1),
            hour: i64::from(clock / 3_600),
            minute: i64::from(clock / 60 % 60),
            second: i64::from(clock % 60),
        }
    }

    /// The time; none if there is no such day or time of day. A leap second is the next second.
    fn date(self) -> Option<HttpDate> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days_of_month = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let valid = (0..=9999).contains(&self.year)
            && (1..=days_of_month).contains(&self.day)
            && self.hour <= 23
            && self.minute <= 59
            && self.second <= 60;
        let march_month = (self.month + 9) % 12;
        let year = self.year - i64::from(self.month <= 2);
        let day_of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let days = year * 365 + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + day_of_year
            - 719_468;
        let clock = self.hour * 3_600 + self.minute * 60 + self.second;
        valid.then_some(HttpDate(days * DAY + clock))
    }

    fn month_name(&self) -> [u8; 3] {
        let index = usize::try_from(self.month - 1).unwrap_or(0);
        let name = MONTHS
            .get(index)
            .and_then(|name| name.as_bytes().first_chunk());
        name.copied().unwrap_or(*b"Jan")
    }
}

/// The rest of a date's text; each method takes one production from its front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// ` Nov  6 08:49:37 1994`
    fn asctime(&mut self) -> Option<Civil> {
        self.literal(b" ")?;
        let month = self.month()?;
        self.literal(b" ")?;
        let day = if self.literal(b" ").is_some() {
            self.digits(1)?
        } else {
            self.digits(2)?
        };
        self.literal(b" ")?;
        let (hour, minute, second) = self.clock()?;
        self.literal(b" ")?;
        let year = self.digits(4)?;
        Some(Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        })
    }

    /// `, 06 Nov 1994 08:49:37 GMT`
    fn imf_fixdate(&mut self) -> Option<Civil> {
        self.literal(b", ")?;
        let day = self.digits(2)?;
        self.literal(b" ")?;
        let month = self.month()?;
        self.literal(b" ")?;
        let year = self.digits(4)?;
        self.literal(b" ")?;
        let (hour, minute, second) = self.clock()?;
        self.literal(b" GMT")?;
        Some(Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        })
    }

    /// `, 06-Nov-94 08:49:37 GMT`
    fn rfc850(&mut self, now: HttpDate) -> Option<Civil> {
        self.literal(b", ")?;
        let day = self.digits(2)?;
        self.literal(b"-")?;
        let month = self.month()?;
        self.literal(b"-")?;
        let short = self.digits(2)?;
        self.literal(b" ")?;
        let (hour, minute, second) = self.clock()?;
        self.literal(b" GMT")?;
        // Of the years with these two digits, the latest that is not over 50 years ahead of now.
        let now = Civil::of(now);
        let limit = Civil {
            year: now.year + 50,
            ..now
        };
        let year = limit.year - (limit.year - short).rem_euclid(100);
        let civil = Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        };
        Some(if civil > limit {
            Civil {
                year: year - 100,
                ..civil
            }
        } else {
            civil
        })
    }

    /// Takes a weekday's name; true if it was the long one.
    fn weekday(&mut self) -> Option<bool> {
        WEEKDAYS.iter().find_map(|name| {
            let (short, _) = name.split_at_checked(3)?;
            self.literal(short.as_bytes())?;
            // No long name's rest begins another, so that one try settles it.
            Some(
                name.get(3..)
                    .is_some_and(|rest| self.literal(rest.as_bytes()).is_some()),
            )
        })
    }

    fn month(&mut self) -> Option<i64> {
        let index = MONTHS
            .iter()
            .position(|name| self.literal(name.as_bytes()).is_some())?;
        Some(index as i64 + 1)
    }

    fn clock(&mut self) -> Option<(i64, i64, i64)> {
        let hour = self.digits(2)?;
        self.literal(b":")?;
        let minute = self.digits(2)?;
        self.literal(b":")?;
        Some((hour, minute, self.digits(2)?))
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Exactly `count` decimal digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, &byte| {
            byte.is_ascii_digit()
                .then(|| number * 10 + i64::from(byte - b'0'))
        })
    }
}

#[cfg(test)]
mod tests;
