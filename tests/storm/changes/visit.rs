//! A client that looks at every byte of files that change.

use std::time::{Duration, Instant};

use super::world::{World, date};
use crate::storm::pause;
use crate::storm::tally::Tally;
use crate::support::{Client, Dice, End, Figures, Response};

/// What a client knows of a file, and what it is held to.
pub struct Visit<'a> {
    /// The truth.
    pub world: &'a World,
    /// What has been done so far.
    pub figures: &'a Figures,
    /// The daemons.
    pub daemons: &'a [&'a Tally],
    /// The target.
    pub path: &'a str,
    /// Whether the cache had it at the beginning.
    pub stored: bool,
    /// For how long what a check found holds.
    pub share: Duration,
}

/// A request.
struct Order {
    head: bool,
    confirmed: bool,
    range: Option<(usize, Option<usize>)>,
    condition: Option<String>,
    leaves: Option<usize>,
}

impl Order {
    fn roll(dice: &mut Dice, path: &str, known: Option<&Response>) -> Self {
        let tag = known.and_then(|answer| answer.field("etag"));
        let time = known.and_then(|answer| answer.field("last-modified"));
        let first = dice.up_to(30_000);
        let mut order = Self {
            head: dice.chance(7),
            confirmed: path.ends_with(".db"),
            range: dice
                .chance(25)
                .then(|| (first, dice.chance(50).then(|| first + dice.up_to(9_000)))),
            condition: None,
            leaves: dice.chance(10).then(|| dice.up_to(30_000)),
        };
        order.condition = match (dice.below(4), tag, time) {
            (0, Some(tag), _) => Some(format!("If-None-Match: {tag}")),
            (1, _, Some(time)) => Some(format!("If-Modified-Since: {time}")),
            (2, Some(tag), _) if order.range.is_some() => Some(format!("If-Range: {tag}")),
            _ => None,
        };
        order
    }

    fn fields(&self, dice: &mut Dice) -> (Vec<String>, bool) {
        let mut fields: Vec<String> = self.condition.iter().cloned().collect();
        let mut confirmed = self.confirmed;
        if dice.chance(30) {
            fields.push(
                dice.pick(&["Cache-Control: no-cache", "Cache-Control: max-age=0"])
                    .into(),
            );
            confirmed = true;
        }
        if let Some((first, last)) = self.range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            fields.push(format!("Range: bytes={first}-{last}"));
        }
        (fields, confirmed)
    }
}

impl Visit<'_> {
    /// Asks some times; what went against the promise.
    pub fn run(&self, mut dice: Dice) -> Result<(), String> {
        if dice.chance(60) {
            pause(dice.below(300));
        }
        let mut known: Option<Response> = None;
        for _ in 0..1 + dice.below(4) {
            let order = Order::roll(&mut dice, self.path, known.as_ref());
            let (fields, confirmed) = order.fields(&mut dice);
            let lines: Vec<&str> = fields.iter().map(String::as_str).collect();
            let (method, asked) = (if order.head { "HEAD" } else { "GET" }, Instant::now());
            let daemon = dice.pick(self.daemons);
            let mut client = Client::connect(daemon.address());
            client.ask(
                method,
                self.path,
                &[&lines[..], &["Connection: close"]].concat(),
            );
            let mut answer = client.head();
            self.figures.waited(asked.elapsed());
            let end = match order.leaves {
                Some(most) if answer.status == 200 && !order.head => {
                    let length = answer.field("content-length").map(|length| length.parse());
                    let most = length.map_or(0, |length| most.min(length.unwrap()));
                    (answer.body, answer.end) = (self.some(&mut client, most), End::Cut);
                    None
                }
                _ => {
                    (answer.body, answer.end) = client.rest();
                    Some(answer.end)
                }
            };
            drop(client);
            let longest = self.world.longest(self.path);
            daemon.count(&answer, answer.body.len(), end, longest);
            self.check(&order, &answer, confirmed.then_some(asked))
                .map_err(|why| {
                    let (status, length) = (answer.status, answer.body.len());
                    let (path, end, fields_got) = (self.path, answer.end, &answer.fields);
                    format!(
                        "{path}: {why}; asked {method} {fields:?}, got {status} {fields_got:?} and \
                         {length} bytes, {end:?}"
                    )
                })?;
            if answer.status == 200 {
                known = Some(answer);
            }
        }
        Ok(())
    }

    /// Up to so many bytes; fewer where the answer is cut.
    fn some(&self, client: &mut Client, most: usize) -> Vec<u8> {
        self.figures.add("left", 1);
        client.up_to(most)
    }

    /// Holds an answer against the truth; `asked`: what it says must be confirmed, or said to be stale.
    fn check(
        &self,
        order: &Order,
        answer: &Response,
        asked: Option<Instant>,
    ) -> Result<(), String> {
        self.figures.add(&format!("{}", answer.status), 1);
        let (start, versions) = match answer.status {
            200 => (0, self.whole(order, answer)),
            206 => self.part(order, answer)?,
            304 if order.condition.is_some() => (0, self.world.versions(self.path, |_, _| true)),
            416 => return self.unsatisfiable(answer),
            404 if !self.stored || self.path.ends_with(".db") => return Ok(()),
            502..=504 if !self.stored => return Ok(()),
            _ => return Err("a strange answer".to_owned()),
        };
        if answer.end == End::Cut && order.leaves.is_none() {
            self.figures.add("cut", 1);
        }
        let same = |number: usize, content: &[u8]| {
            let end = start + answer.body.len();
            content.get(start..end) == Some(&answer.body[..]) && self.has_time(answer, number)
        };
        let mut left = self.world.versions(self.path, same);
        left.retain(|version| versions.contains(version));
        if let Some(tag) = answer.field("etag") {
            left = self.world.narrow(self.path, tag, &left);
        }
        let Some(newest) = left.into_iter().max() else {
            return Err("no version is like this".to_owned());
        };
        let stale = answer.cache_status("detail=served-stale");
        self.figures.add(
            &answer
                .field("cache-status")
                .unwrap_or("no status")
                .replace("package-cache; ", ""),
            1,
        );
        match asked.filter(|_| !stale) {
            Some(asked) => self.check_current(newest, asked),
            None => Ok(()),
        }
    }

    /// The versions that a whole answer can be of.
    fn whole(&self, order: &Order, answer: &Response) -> Vec<usize> {
        let length = answer.field("content-length");
        let length = length.map(|length| length.parse::<usize>().unwrap());
        let complete = answer.end == End::Complete && !order.head;
        self.world.versions(self.path, |_, content| {
            length.is_none_or(|length| length == content.len())
                && (!complete || content.len() == answer.body.len())
        })
    }

    /// Where a part begins, and the versions that it can be of.
    fn part(&self, order: &Order, answer: &Response) -> Result<(usize, Vec<usize>), String> {
        let (first, last) = order.range.ok_or("a 206 that nobody asked for")?;
        let field = answer.field("content-range").unwrap_or_default();
        let (range, all) = field.split_once('/').ok_or("no Content-Range")?;
        let all: usize = all.parse().map_err(|_| "no complete length")?;
        let last = last.unwrap_or(all).min(all - 1);
        if range != format!("bytes {first}-{last}") {
            return Err("another range".to_owned());
        }
        if answer.end == End::Complete && answer.body.len() != last + 1 - first {
            return Err("a short part".to_owned());
        }
        if let Some(given) = order
            .condition
            .as_deref()
            .and_then(|line| line.strip_prefix("If-Range: "))
            && answer.field("etag") != Some(given)
        {
            return Err("a part of another version than the client has".to_owned());
        }
        Ok((
            first,
            self.world
                .versions(self.path, |_, content| content.len() == all),
        ))
    }

    fn unsatisfiable(&self, answer: &Response) -> Result<(), String> {
        let field = answer.field("content-range").unwrap_or_default();
        let all = field
            .strip_prefix("bytes */")
            .and_then(|all| all.parse().ok());
        let all: usize = all.ok_or("a 416 without a length")?;
        let fits = self
            .world
            .versions(self.path, |_, content| content.len() == all);
        match fits.is_empty() {
            true => Err("no version is so long".to_owned()),
            false => Ok(()),
        }
    }

    /// Whether the answer's time is this version's, or of today, for a source may tell none.
    fn has_time(&self, answer: &Response, version: usize) -> bool {
        let Some(time) = answer.field("last-modified") else {
            // A 304 has an entity tag instead.
            return true;
        };
        time == date(version) || !time.contains(" 2015 ")
    }

    /// Whether a confirmed version was at a source since the last check of it can have begun.
    fn check_current(&self, version: usize, asked: Instant) -> Result<(), String> {
        let floor = self.world.floor(self.path, asked, self.share);
        self.figures.add("confirmed", 1);
        match version >= floor {
            true => Ok(()),
            false => Err(format!(
                "version {version} for confirmed, though all had {floor}"
            )),
        }
    }
}
