//! Scan scripts, and the symbols of a scan.

use super::{Frame, Noise};

/// A component of a scan and its tables.
#[derive(Clone)]
pub struct Part {
    pub index: usize,
    pub dc: u8,
    pub ac: u8,
}

#[derive(Clone)]
pub struct Scan {
    pub parts: Vec<Part>,
    pub ss: u8,
    pub se: u8,
    pub ah: u8,
    pub al: u8,
    /// A restart interval that is told before it; it stays in force.
    pub interval: Option<usize>,
    /// The interval in force.
    restart: usize,
}

impl Scan {
    fn new(indices: &[usize], noise: &mut Noise) -> Self {
        let tables = noise.pick(&[2, 2, 4]);
        let parts =
            indices.iter().map(|&index| Part { index, dc: noise.below(tables) as u8, ac: noise.below(tables) as u8 });
        Self { parts: parts.collect(), ss: 0, se: 63, ah: 0, al: 0, interval: None, restart: 0 }
    }

    /// Whether the scan needs this table.
    pub fn names(&self, frame: &Frame, class: u8, id: u8) -> bool {
        let (dc, ac) = match (frame.progressive, self.ss) {
            (false, _) => (true, true),
            (true, 0) => (self.ah == 0, false),
            (true, _) => (false, true),
        };
        self.parts.iter().any(|part| if class == 0 { dc && part.dc == id } else { ac && part.ac == id })
    }
}

/// Components in groups, each in the order of the frame, with as many blocks in an MCU as there may be.
fn groups(frame: &Frame, noise: &mut Noise) -> Vec<Vec<usize>> {
    let count = frame.components.len();
    let mut groups: Vec<Vec<usize>> = match noise.below(3) {
        0 => (0..count).map(|i| vec![i]).collect(),
        1 => {
            let at = noise.below(count);
            [(0..at).collect(), (at..count).collect()].into_iter().filter(|g: &Vec<_>| !g.is_empty()).collect()
        }
        _ => vec![(0..count).collect()],
    };
    let blocks = |group: &[usize]| group.iter().map(|&i| frame.components[i].h * frame.components[i].v).sum::<usize>();
    while let Some(large) = groups.iter().position(|g| g.len() > 1 && blocks(g) > 10) {
        let group = groups.swap_remove(large);
        groups.extend(group.into_iter().map(|i| vec![i]));
    }
    let same = count > 1 && frame.components[0].id == frame.components[1].id;
    if same {
        return vec![(0..count).collect()];
    }
    noise.shuffle(&mut groups);
    groups
}

/// Gives scans restart intervals.
fn with_restarts(mut scans: Vec<Scan>, noise: &mut Noise) -> Vec<Scan> {
    let often = noise.below(3);
    let mut restart = 0;
    for (i, scan) in scans.iter_mut().enumerate() {
        if often > 0 && (i == 0 || noise.one_in(3)) {
            restart = noise.pick(&[0, 1, 2, 3, 7, 40]);
            scan.interval = Some(restart);
        }
        scan.restart = restart;
    }
    scans
}

pub fn sequential(frame: &Frame, noise: &mut Noise) -> Vec<Scan> {
    let scans = groups(frame, noise).iter().map(|group| Scan::new(group, noise)).collect();
    with_restarts(scans, noise)
}

/// A script by the rules of G.1.1.1: DC first, then bands in any order, each from its highest bits down.
pub fn progressive(frame: &Frame, noise: &mut Noise) -> Vec<Scan> {
    // Each queue is kept in order; what comes next is drawn.
    let (mut dc, mut queues) = (Vec::new(), Vec::new());
    let low = |noise: &mut Noise| noise.pick(&[0, 0, 1, 2, 3, 9]) as u8;
    for group in groups(frame, noise) {
        let al = low(noise);
        let scan = |ah, al, noise: &mut Noise| Scan { se: 0, ah, al, ..Scan::new(&group, noise) };
        dc.push(scan(0, al, noise));
        queues.push((0..al).rev().map(|al| scan(al + 1, al, noise)).collect::<Vec<_>>());
    }
    for index in 0..frame.components.len() {
        let mut ss = 1;
        while ss < 64 {
            let se = if noise.one_in(3) { 63 } else { noise.within(ss, 63) };
            let al = low(noise).min(if noise.one_in(3) { 9 } else { 2 });
            let scan =
                |ah, al, noise: &mut Noise| Scan { ss: ss as u8, se: se as u8, ah, al, ..Scan::new(&[index], noise) };
            let mut queue = vec![scan(0, al, noise)];
            queue.extend((0..al).rev().map(|al| scan(al + 1, al, noise)));
            queues.push(queue);
            ss = se + 1;
        }
    }
    let mut scans = dc;
    queues.iter_mut().for_each(|queue| queue.reverse());
    loop {
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            break;
        }
        let next = noise.below(queues.len());
        scans.extend(queues[next].pop());
    }
    // Decoders refuse many.
    if scans.len() > 95 { progressive(frame, noise) } else { with_restarts(scans, noise) }
}

/// What a scan's data are made of.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    /// A symbol of a DC (0) or AC table (1).
    Symbol {
        class: u8,
        id: u8,
        symbol: u8,
    },
    /// A value of so many bits.
    Bits(u32, u32),
    Restart,
}

fn size_of(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

/// The symbols of a scan as they are written.
struct Writer<'a> {
    tokens: Vec<Token>,
    noise: &'a mut Noise,
    /// Blocks that have ended since the last end of block, and the correction bits in them.
    run: u32,
    corrections: Vec<u32>,
    ac: u8,
}

impl Writer<'_> {
    fn symbol(&mut self, class: u8, id: u8, symbol: u32) {
        self.tokens.push(Token::Symbol { class, id, symbol: symbol as u8 });
    }

    fn value(&mut self, value: i32, size: u32) {
        if size > 0 {
            let bits = if value > 0 { value } else { value + (1 << size) - 1 };
            self.tokens.push(Token::Bits(bits as u32, size));
        }
    }

    fn corrections(&mut self, bits: &mut Vec<u32>) {
        self.tokens.extend(bits.drain(..).map(|bit| Token::Bits(bit, 1)));
    }

    /// Writes the ends of blocks that wait.
    fn end_run(&mut self) {
        if self.run > 0 {
            let size = 31 - self.run.leading_zeros();
            self.symbol(1, self.ac, size << 4);
            if size > 0 {
                self.tokens.push(Token::Bits(self.run & ((1 << size) - 1), size));
            }
            self.run = 0;
        }
        let mut bits = std::mem::take(&mut self.corrections);
        self.corrections(&mut bits);
    }

    fn dc(&mut self, id: u8, difference: i32) {
        let size = size_of(difference);
        self.symbol(0, id, size);
        self.value(difference, size);
    }

    /// AC coefficients of a sequential block, or of a band for the first time.
    fn ac_first(&mut self, values: &[i32], runs: bool) {
        let mut run = 0;
        for &value in values {
            if value == 0 {
                run += 1;
                continue;
            }
            self.end_run();
            while run > 15 {
                self.symbol(1, self.ac, 0xF0);
                run -= 16;
            }
            let size = size_of(value);
            self.symbol(1, self.ac, run << 4 | size);
            self.value(value, size);
            run = 0;
        }
        if run > 0 {
            self.run += 1;
            self.maybe_end(runs);
        }
    }

    /// Ends a run that may not, or that by chance shall not, go on.
    fn maybe_end(&mut self, runs: bool) {
        if !runs || self.run == 0x7FFF || self.corrections.len() > 900 || self.noise.one_in(50) {
            self.end_run();
        }
    }

    /// A band again, by one more bit (G.1.2.3).
    fn ac_refine(&mut self, values: &[i32], al: u8) {
        let size = |value: i32| value.unsigned_abs() >> al;
        let last = values.iter().rposition(|&value| size(value) == 1);
        let (mut run, mut bits) = (0, Vec::new());
        for (k, &value) in values.iter().enumerate() {
            let size = size(value);
            if size == 0 {
                run += 1;
                continue;
            }
            while run > 15 && last.is_some_and(|last| k <= last) {
                self.end_run();
                self.symbol(1, self.ac, 0xF0);
                run -= 16;
                self.corrections(&mut bits);
            }
            if size > 1 {
                bits.push(size & 1);
                continue;
            }
            self.end_run();
            self.symbol(1, self.ac, run << 4 | 1);
            self.tokens.push(Token::Bits(u32::from(value > 0), 1));
            self.corrections(&mut bits);
            run = 0;
        }
        if run > 0 || !bits.is_empty() {
            self.run += 1;
            self.corrections.extend(bits);
            self.maybe_end(true);
        }
    }
}

/// All symbols of a scan.
pub fn tokens(frame: &Frame, scan: &Scan, noise: &mut Noise) -> Vec<Token> {
    let mut to = Writer { tokens: Vec::new(), noise, run: 0, corrections: Vec::new(), ac: 0 };
    let single = scan.parts.len() == 1;
    let (across, down) = match (single, &scan.parts[..]) {
        (true, [part]) => (frame.components[part.index].across, frame.components[part.index].down),
        _ => frame.mcus,
    };
    let mut last = vec![0; scan.parts.len()];
    for mcu in 0..across * down {
        if scan.restart > 0 && mcu > 0 && mcu % scan.restart == 0 {
            to.end_run();
            to.tokens.push(Token::Restart);
            last.fill(0);
        }
        let (row, column) = (mcu / across, mcu % across);
        for (part, last) in scan.parts.iter().zip(&mut last) {
            let component = &frame.components[part.index];
            let (h, v) = if single { (1, 1) } else { (component.h, component.v) };
            to.ac = part.ac;
            for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                let block = &component.blocks[(row * v + y) * component.stride + column * h + x];
                let band = block.get(usize::from(scan.ss.max(1))..=usize::from(scan.se)).unwrap_or_default();
                if scan.ss == 0 && scan.ah == 0 {
                    let value = block[0] >> scan.al;
                    to.dc(part.dc, value - *last);
                    *last = value;
                } else if scan.ss == 0 {
                    to.tokens.push(Token::Bits((block[0] >> scan.al) as u32 & 1, 1));
                }
                if scan.se == 0 {
                    continue;
                }
                if scan.ah > 0 {
                    to.ac_refine(band, scan.al);
                    continue;
                }
                let values: Vec<i32> = band.iter().map(|v| v.signum() * (v.abs() >> scan.al)).collect();
                to.ac_first(&values, frame.progressive);
            }
        }
    }
    to.end_run();
    to.tokens
}
