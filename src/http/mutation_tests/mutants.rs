//! The generator: valid texts, cut, spliced, repeated and flipped, the same on every run.

/// Bytes and runs of bytes that grammars turn on.
const TELLING: [&[u8]; 32] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"\t",
    b" ",
    b":",
    b",",
    b";",
    b"\"",
    b"\\",
    b"/",
    b"..",
    b"?",
    b"#",
    b"%",
    b"%2",
    b"%00",
    b"@",
    b"[",
    b"]",
    b"-",
    b"0",
    b"9",
    b"f",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\r\n\r\n",
    b"http://",
    b"Host: h\r\n",
    b"18446744073709551616",
];

/// Marsaglia's xorshift with 64 bits of state.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }

    /// A short run within a text.
    fn run(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = if self.below(4) == 0 { length } else { 12 };
        start..length.min(start + self.below(longest))
    }

    fn mutate(&mut self, text: &mut Vec<u8>, seeds: &[&[u8]]) {
        let run = self.run(text.len());
        match self.below(6) {
            0 if !text.is_empty() => {
                let position = self.below(text.len());
                text[position] ^= 1 << self.below(8);
            }
            1 => text.truncate(run.start),
            2 => drop(text.drain(run)),
            3 => drop(text.splice(run, self.pick(&TELLING).iter().copied())),
            4 => {
                let other = self.pick(seeds);
                let part = self.run(other.len());
                text.splice(run, other[part].iter().copied());
            }
            _ => {
                let repeated = text[run.clone()].repeat(1 + self.below(4));
                text.splice(run.start..run.start, repeated);
            }
        }
    }
}

/// Feeds a check so many mutants of the seeds.
pub(super) fn mutants(
    seed: u64,
    count: usize,
    seeds: &[&[u8]],
    mut check: impl FnMut(&mut Random, &[u8]),
) {
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for _ in 0..count {
        let mut text = random.pick(seeds).to_vec();
        for _ in 0..1 + random.below(3) {
            random.mutate(&mut text, seeds);
        }
        check(&mut random, &text);
    }
}
