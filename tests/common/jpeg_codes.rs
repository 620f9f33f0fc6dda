//! Huffman codes for given symbols, and bits.

use super::Noise;

/// How the codes of a table are chosen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Style {
    /// Those of annex K.3.
    Standard,
    /// The shortest for the symbols that there are (annex K.2).
    Optimised,
    /// Any lengths, with codes for symbols that do not occur.
    Odd,
}

/// A Huffman table: symbols by code.
pub struct Code {
    counts: [u8; 16],
    symbols: Vec<u8>,
    /// Code and length, by symbol.
    codes: Vec<(u32, u32)>,
}

impl Code {
    pub fn new(style: Style, class: u8, id: u8, frequencies: &[u32; 256], noise: &mut Noise) -> Self {
        let (counts, symbols) = match style {
            Style::Standard => standard(class, id),
            Style::Optimised => optimised(frequencies),
            Style::Odd => odd(class, frequencies, noise),
        };
        let mut codes = vec![(0, 0); 256];
        let (mut code, mut next) = (0, symbols.iter());
        for (&count, len) in counts.iter().zip(1..) {
            for &symbol in next.by_ref().take(usize::from(count)) {
                codes[usize::from(symbol)] = (code, len);
                code += 1;
            }
            code <<= 1;
        }
        Self { counts, symbols, codes }
    }

    /// The table as a DHT segment has it.
    pub fn definition(&self, class_and_id: u8) -> Vec<u8> {
        [&[class_and_id], &self.counts[..], &self.symbols].concat()
    }

    pub fn bits(&self, symbol: u8) -> (u32, u32) {
        let code = self.codes[usize::from(symbol)];
        assert!(code.1 > 0, "no code for {symbol:#04x}");
        code
    }
}

fn standard(class: u8, id: u8) -> ([u8; 16], Vec<u8>) {
    let sizes: Vec<u8> = (0..12).collect();
    // Tables 2 and 3 may be either.
    match (class, id % 2) {
        (0, 0) => ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], sizes),
        (0, _) => ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], sizes),
        (_, 0) => ([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D], bytes(LUMA)),
        (..) => ([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], bytes(CHROMA)),
    }
}

const LUMA: &str = "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a\
    3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3\
    a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa";
const CHROMA: &str = "0001020311040521310612415107617113223281081442 91a1b1c109233352f0156272d10a162434e125f11718191a26\
    2728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798\
    999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The procedures of annex K.2: no code is of ones alone, none has more than 16 bits.
fn optimised(frequencies: &[u32; 256]) -> ([u8; 16], Vec<u8>) {
    // The symbol 256 takes the code of ones.
    let mut trees: Vec<(u64, Vec<usize>)> = vec![(1, vec![256])];
    trees.extend((0..256).filter(|&s| frequencies[s] > 0).map(|s| (u64::from(frequencies[s]) + 1, vec![s])));
    let mut lengths = [0usize; 257];
    while trees.len() > 1 {
        trees.sort_by_key(|(weight, symbols)| std::cmp::Reverse((*weight, symbols.contains(&256), symbols[0])));
        let (a, b) = (trees.pop().unwrap(), trees.pop().unwrap());
        let symbols = [a.1, b.1].concat();
        symbols.iter().for_each(|&s| lengths[s] += 1);
        trees.push((a.0 + b.0, symbols));
    }
    let mut counts = [0usize; 64];
    lengths.iter().filter(|&&len| len > 0).for_each(|&len| counts[len] += 1);
    for len in (17..64).rev() {
        while counts[len] > 0 {
            let mut shorter = len - 2;
            while counts[shorter] == 0 {
                shorter -= 1;
            }
            counts[len] -= 2;
            counts[len - 1] += 1;
            counts[shorter + 1] += 2;
            counts[shorter] -= 1;
        }
    }
    // The longest code is that of 256.
    if let Some(longest) = counts.iter().rposition(|&n| n > 0) {
        counts[longest] -= 1;
    }
    let mut symbols: Vec<usize> = (0..256).filter(|&s| lengths[s] > 0).collect();
    symbols.sort_by_key(|&s| (lengths[s], s));
    (std::array::from_fn(|i| counts[i + 1] as u8), symbols.into_iter().map(|s| s as u8).collect())
}

/// Any prefix code that leaves the one of ones alone free.
fn odd(class: u8, frequencies: &[u32; 256], noise: &mut Noise) -> ([u8; 16], Vec<u8>) {
    let more = noise.pick(&[0, 0, 5, 40, 255]);
    let most = if class == 0 { 16 } else { 256 };
    let mut symbols: Vec<u8> = (0..most).filter(|&s| frequencies[s] > 0).map(|s| s as u8).collect();
    let mut others: Vec<u8> = (0..most).filter(|&s| frequencies[s] == 0).map(|s| s as u8).collect();
    noise.shuffle(&mut others);
    symbols.extend(others.into_iter().take(more));
    noise.shuffle(&mut symbols);
    let share = noise.within(1, 6);
    let (mut counts, mut left, mut free) = ([0; 16], symbols.len(), 1usize);
    for (i, count) in counts.iter_mut().enumerate() {
        free *= 2;
        // Those that are left, and one more, must find room below what is not used here.
        let room = |used: usize| (free - used) << (15 - i) > left - used;
        let mut used = if i == 15 { left } else { noise.below(free.div_ceil(share)).min(left) };
        while !room(used) {
            used -= 1;
        }
        // All that fit, where the rest would not find room.
        *count = used.min(255) as u8;
        left -= usize::from(*count);
        free -= usize::from(*count);
    }
    assert_eq!(left, 0);
    (counts, symbols)
}

/// Bits of a scan, stuffed.
pub struct Bits {
    bytes: Vec<u8>,
    acc: u64,
    len: u32,
    /// Whether the last byte is filled up with ones.
    ones: bool,
}

impl Bits {
    pub fn new(ones: bool) -> Self {
        Self { bytes: Vec::new(), acc: 0, len: 0, ones }
    }

    pub fn put(&mut self, (value, len): (u32, u32)) {
        self.acc = self.acc << len | u64::from(value);
        self.len += len;
        while self.len >= 8 {
            self.len -= 8;
            let byte = (self.acc >> self.len) as u8;
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
            self.acc &= (1 << self.len) - 1;
        }
    }

    /// What there is, filled up to whole bytes.
    pub fn take(&mut self) -> Vec<u8> {
        let rest = (8 - self.len) % 8;
        self.put((if self.ones { (1 << rest) - 1 } else { 0 }, rest));
        std::mem::take(&mut self.bytes)
    }
}
