//! JPEGs of any legal shape, made from a seed: sampling factors, tables, scan scripts, restart intervals, stray bytes.
//!
//! The coefficients are drawn, not made of pixels, and stay in the range that an encoder of 8-bit samples can write. What
//! libjpeg-turbo refuses is not made: sizes of components that are no whole fraction of the image's, a height that only a
//! DNL segment tells, components of a scan in another order than the frame's.
#![allow(dead_code)]

#[path = "jpeg_codes.rs"]
mod codes;
#[path = "jpeg_scans.rs"]
mod scans;

use codes::{Bits, Code, Style};
use scans::{Scan, Token, sequential, tokens};

/// Draws whose numbers depend on the seed alone.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// True one time in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

/// A component with its quantised coefficients, each block in the order of the data.
pub struct Component {
    id: u8,
    h: usize,
    v: usize,
    quantiser: usize,
    /// Blocks of whole MCUs, across.
    stride: usize,
    /// Blocks that a scan of this component alone has.
    across: usize,
    down: usize,
    blocks: Vec<[i32; 64]>,
}

/// A frame, with what of it all scans share.
pub struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    pub components: Vec<Component>,
    /// MCUs of several components.
    mcus: (usize, usize),
}

/// How large coefficients are.
#[derive(Clone, Copy, PartialEq)]
enum Size {
    /// As encoders of 8-bit samples write them: at most 2,000 when multiplied.
    Usual,
    /// As large as they can be coded, with quantisers of any size.
    Wild,
}

impl Size {
    /// The largest coefficient for a quantiser, and the most bits of one that are drawn.
    fn most(self, quantiser: u16) -> (usize, usize) {
        match self {
            Self::Usual => ((2_000 / usize::from(quantiser)).min(1023), 11),
            Self::Wild => (16_383, 14),
        }
    }
}

impl Frame {
    fn draw(noise: &mut Noise, quantisers: &[[u16; 64]; 4], size: Size) -> Self {
        let count = noise.pick(&[1, 3, 3, 3, 3, 4]);
        let most = noise.pick(&[8, 20, 40, 40, 70, 150]);
        let (width, height) = (noise.within(1, most), noise.within(1, most));
        let factors = loop {
            let all: Vec<_> = (0..count).map(|_| (noise.within(1, 4), noise.within(1, 4))).collect();
            let max = all.iter().fold((1, 1), |max, f| (max.0.max(f.0), max.1.max(f.1)));
            if all.iter().all(|f| max.0 % f.0 == 0 && max.1 % f.1 == 0) {
                break all;
            }
        };
        let (h_max, v_max) = factors.iter().fold((1, 1), |max, f| (max.0.max(f.0), max.1.max(f.1)));
        let mcus = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let mut ids: Vec<u8> = match noise.below(8) {
            0 => b"RGBK".to_vec(),
            1 => vec![0, 1, 2, 3],
            2 => (0..4).map(|i| noise.below(60) as u8 * 4 + i).collect(),
            _ => vec![1, 2, 3, 4],
        };
        let progressive = noise.one_in(2);
        // Found by their order alone, so that they must be in one scan.
        if !progressive && factors.iter().map(|(h, v)| h * v).sum::<usize>() <= 10 && noise.one_in(6) {
            ids.fill(1);
        }
        let components = factors.iter().zip(ids).map(|(&(h, v), id)| {
            let quantiser = noise.below(4);
            let (stride, rows) = (mcus.0 * h, mcus.1 * v);
            Component {
                id,
                h,
                v,
                quantiser,
                stride,
                across: (width * h).div_ceil(h_max).div_ceil(8),
                down: (height * v).div_ceil(v_max).div_ceil(8),
                blocks: blocks(noise, &quantisers[quantiser], stride * rows, size),
            }
        });
        let components = components.collect();
        Self { width, height, progressive, components, mcus }
    }
}

/// Coefficients of a component: flat blocks, a few low frequencies, or many of all.
fn blocks(noise: &mut Noise, quantisers: &[u16; 64], count: usize, size: Size) -> Vec<[i32; 64]> {
    let (_, dc_bits) = size.most(1);
    let (busy, bits) = (noise.below(4), noise.within(1, dc_bits));
    let value = |noise: &mut Noise, k: usize, bits: usize| {
        let (most, _) = size.most(quantisers[k]);
        let range = (1 << noise.within(1, bits)).min(most + 1);
        let size = noise.below(range) as i32;
        if noise.one_in(2) { -size } else { size }
    };
    let mut draw = || {
        let mut block = [0; 64];
        block[0] = value(noise, 0, dc_bits);
        let number = match noise.below(4) {
            0 => 0,
            1 => noise.within(1, 5),
            _ => noise.pick(&[1, 6, 20, 63]) * busy / 3,
        };
        let last = noise.pick(&[5, 14, 63, 63]);
        for _ in 0..number {
            let k = noise.within(1, last);
            block[k] = value(noise, k, bits);
        }
        block
    };
    (0..count).map(|_| draw()).collect()
}

/// A file as it is written.
struct File {
    bytes: Vec<u8>,
    noise: Noise,
    /// Whether bytes that mean nothing are put where they may be.
    stray: bool,
}

impl File {
    fn marker(&mut self, code: u8) {
        if self.stray && self.noise.one_in(6) {
            let fill = self.noise.within(1, 3);
            self.bytes.extend(vec![0xFF; fill]);
        }
        self.bytes.extend([0xFF, code]);
    }

    fn segment(&mut self, code: u8, body: &[u8]) {
        if self.stray && self.noise.one_in(5) {
            let other = self.noise.pick(&[0xE1, 0xE2, 0xE5, 0xED, 0xEF, 0xFE]);
            let len = self.noise.below(30);
            let body: Vec<u8> = (0..len).map(|_| self.noise.next() as u8).collect();
            self.marker(other);
            self.bytes.extend((body.len() as u16 + 2).to_be_bytes());
            self.bytes.extend(body);
        }
        self.marker(code);
        self.bytes.extend((body.len() as u16 + 2).to_be_bytes());
        self.bytes.extend(body);
    }

    /// Bytes that no block needs, before a marker.
    fn stray_bytes(&mut self) {
        if self.stray && self.noise.one_in(8) {
            let len = self.noise.within(1, 4);
            let bytes: Vec<u8> = (0..len).map(|_| self.noise.below(255) as u8).collect();
            self.bytes.extend(bytes);
        }
    }

    fn quantisers(&mut self, id: usize, table: &[u16; 64]) {
        let wide = table.iter().any(|&q| q > 255) || self.noise.one_in(8);
        let mut body = vec![u8::from(wide) << 4 | id as u8];
        for &q in table {
            if wide {
                body.extend(q.to_be_bytes());
            } else {
                body.push(q as u8);
            }
        }
        self.segment(0xDB, &body);
    }

    /// Markers that say what the components are, or nothing.
    fn colours(&mut self, components: usize) {
        if components < 4 && self.noise.one_in(2) {
            self.segment(0xE0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
        }
        if self.noise.one_in(if components == 4 { 2 } else { 4 }) {
            let transform = self.noise.below(if components == 4 { 3 } else { 2 }) as u8;
            self.segment(0xEE, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
        }
    }

    /// A scan with its tables.
    fn scan(&mut self, frame: &Frame, scan: &Scan, style: Style, tables: TablesAt) {
        let interval = scan.interval;
        let tokens = tokens(frame, scan, &mut self.noise);
        let mut defined: Vec<(u8, Code)> = Vec::new();
        for class in [0, 1] {
            for id in 0..4u8 {
                let mut counts = [0u32; 256];
                let mut any = false;
                for token in &tokens {
                    if let Token::Symbol { class: c, id: i, symbol } = *token
                        && (c, i) == (class, id)
                    {
                        counts[usize::from(symbol)] += 1;
                        any = true;
                    }
                }
                // A scan asks for its tables though no symbol is of them.
                if any || scan.names(frame, class, id) {
                    defined.push((class << 4 | id, Code::new(style, class, id, &counts, &mut self.noise)));
                }
            }
        }
        let bodies: Vec<Vec<u8>> = defined.iter().map(|(id, code)| code.definition(*id)).collect();
        match tables {
            TablesAt::None => {}
            TablesAt::OneSegment => self.segment(0xC4, &bodies.concat()),
            TablesAt::Apart => bodies.iter().for_each(|body| self.segment(0xC4, body)),
        }
        if let Some(interval) = interval {
            self.segment(0xDD, &(interval as u16).to_be_bytes());
        }
        let mut header = vec![scan.parts.len() as u8];
        for part in &scan.parts {
            header.extend([frame.components[part.index].id, part.dc << 4 | part.ac]);
        }
        header.extend([scan.ss, scan.se, scan.ah << 4 | scan.al]);
        self.segment(0xDA, &header);
        let mut bits = Bits::new(!self.noise.one_in(6));
        let mut restarts = 0;
        for token in &tokens {
            match *token {
                Token::Symbol { class, id, symbol } => {
                    let code = &defined.iter().find(|(key, _)| *key == class << 4 | id).unwrap().1;
                    bits.put(code.bits(symbol));
                }
                Token::Bits(value, len) => bits.put((value, len)),
                Token::Restart => {
                    self.bytes.extend(bits.take());
                    self.stray_bytes();
                    self.marker(0xD0 + restarts % 8);
                    restarts = restarts.wrapping_add(1);
                }
            }
        }
        self.bytes.extend(bits.take());
        self.stray_bytes();
    }
}

/// Where the Huffman tables of a scan stand.
#[derive(Clone, Copy, PartialEq)]
enum TablesAt {
    /// Nowhere: those of the standard are meant.
    None,
    OneSegment,
    Apart,
}

fn draw_quantisers(noise: &mut Noise, size: Size) -> [[u16; 64]; 4] {
    std::array::from_fn(|_| {
        let most = match size {
            Size::Usual => noise.pick(&[1, 4, 30, 99, 255, 700]),
            Size::Wild => noise.pick(&[1, 3, 30, 255, 9_000, 65_535]),
        };
        std::array::from_fn(|_| noise.within(1, most) as u16)
    })
}

/// The file of a seed.
pub fn jpeg(seed: u64) -> Vec<u8> {
    make(seed, Size::Usual)
}

/// The file of a seed with coefficients that no encoder makes of samples.
pub fn wild_jpeg(seed: u64) -> Vec<u8> {
    make(seed, Size::Wild)
}

fn make(seed: u64, size: Size) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let quantisers = draw_quantisers(&mut noise, size);
    let frame = Frame::draw(&mut noise, &quantisers, size);
    let style = noise.pick(&[Style::Standard, Style::Optimised, Style::Optimised, Style::Odd]);
    // It has no codes for so large values.
    let style = if size == Size::Wild && style == Style::Standard { Style::Odd } else { style };
    let script =
        if frame.progressive { scans::progressive(&frame, &mut noise) } else { sequential(&frame, &mut noise) };
    // The standard's tables have no runs of blocks, and only two of them need not be there.
    let style = if frame.progressive && style == Style::Standard { Style::Odd } else { style };
    let low = script.iter().flat_map(|scan| &scan.parts).all(|part| part.dc < 2 && part.ac < 2);
    let missing = style == Style::Standard && low && noise.one_in(3);
    let stray = noise.one_in(3);
    let mut file = File { bytes: vec![0xFF, 0xD8], noise, stray };
    file.colours(frame.components.len());
    let used = |id: usize| frame.components.iter().any(|component| component.quantiser == id);
    let late = file.noise.one_in(4);
    let mut quantiser_ids: Vec<usize> = (0..4).filter(|&id| used(id)).collect();
    file.noise.shuffle(&mut quantiser_ids);
    let tables = |file: &mut File| quantiser_ids.iter().for_each(|&id| file.quantisers(id, &quantisers[id]));
    if !late {
        tables(&mut file);
    }
    let mut header = vec![8];
    header.extend((frame.height as u16).to_be_bytes());
    header.extend((frame.width as u16).to_be_bytes());
    header.push(frame.components.len() as u8);
    for component in &frame.components {
        header.extend([component.id, (component.h << 4 | component.v) as u8, component.quantiser as u8]);
    }
    let baseline = low && quantisers.iter().flatten().all(|&q| q < 256) && !file.noise.one_in(4);
    file.segment(if frame.progressive { 0xC2 } else { 0xC1 - u8::from(baseline) }, &header);
    if late {
        tables(&mut file);
    }
    let mut waiting: Vec<bool> = vec![true; frame.components.len()];
    for (i, scan) in script.iter().enumerate() {
        let at = match missing {
            true => TablesAt::None,
            false => file.noise.pick(&[TablesAt::OneSegment, TablesAt::Apart]),
        };
        file.scan(&frame, scan, style, at);
        if i == 0 && file.stray && file.noise.one_in(3) {
            file.segment(0xDC, &(frame.height as u16).to_be_bytes());
        }
        scan.parts.iter().for_each(|part| waiting[part.index] = false);
        // A component keeps the quantisation table of its first scan.
        let free = |id: usize| frame.components.iter().zip(&waiting).all(|(c, waits)| c.quantiser != id || !waits);
        if file.stray && file.noise.one_in(4) {
            (0..4).filter(|&id| free(id)).for_each(|id| file.quantisers(id, &[9; 64]));
        }
    }
    file.marker(0xD9);
    if file.stray && file.noise.one_in(3) {
        file.bytes.extend(b"\xff\xd8 more");
    }
    file.bytes
}
