//! Vectors, random numbers and lattice noise shared by the scenes.

use std::ops::{Add, Mul, Sub};

/// A point, a direction or a linear-light colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct V3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

pub(super) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V3 {
    pub fn dot(self, o: V3) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }
    pub fn cross(self, o: V3) -> V3 {
        v3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }
    pub fn unit(self) -> V3 {
        self * (1.0 / self.length().max(1e-9))
    }
    pub fn mix(self, o: V3, t: f32) -> V3 {
        self + (o - self) * t
    }
    /// Mirrors a direction at a surface with unit normal `n`.
    pub fn reflect(self, n: V3) -> V3 {
        self - n * (2.0 * self.dot(n))
    }
}

/// Component-wise operators; a product is a light colour times a surface colour.
macro_rules! component_wise {
    ($($op:ident $name:ident $sign:tt),*) => {$(
        impl $op for V3 {
            type Output = V3;
            fn $name(self, o: V3) -> V3 {
                v3(self.x $sign o.x, self.y $sign o.y, self.z $sign o.z)
            }
        }
    )*};
}
component_wise!(Add add +, Sub sub -, Mul mul *);

impl Mul<f32> for V3 {
    type Output = V3;
    fn mul(self, s: f32) -> V3 {
        v3(self.x * s, self.y * s, self.z * s)
    }
}

pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// 0 below `a`, 1 above `b`, smooth in between (`a > b` gives a falling step).
pub(super) fn step(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `f32::floor` is a library call on baseline x86-64; this one inlines.
pub(super) fn floor(x: f32) -> i32 {
    let i = x as i32;
    i - i32::from(x < i as f32)
}

/// Counter-based generator: draw `n` is a hash of `(key, n)` (SplitMix64).
pub(super) struct Rng {
    key: u64,
    count: u64,
}

impl Rng {
    pub fn new(stream: u64, index: u64) -> Rng {
        let mut rng = Rng { key: stream, count: index };
        let key = rng.draw();
        Rng { key, count: 0 }
    }
    pub fn draw(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        let z = self.key ^ self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Uniform in `[a, b)`.
    pub fn range(&mut self, a: f32, b: f32) -> f32 {
        a + (b - a) * ((self.draw() >> 40) as f32 / (1u64 << 24) as f32)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
    pub fn chance(&mut self, p: f32) -> bool {
        self.range(0.0, 1.0) < p
    }
    /// -1 or 1: which side of the picture gets the odd thing.
    pub fn side(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }
}

/// Hash of a lattice point, uniform in `[0, 1)`.
#[inline]
pub(super) fn hash(x: i32, y: i32, z: i32) -> f32 {
    let h = (x as u32).wrapping_mul(0x9E37_79B1)
        ^ (y as u32).wrapping_mul(0x85EB_CA77)
        ^ (z as u32).wrapping_mul(0xC2B2_AE3D);
    let h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    // Converting from a signed integer is one instruction, from unsigned more.
    ((h ^ (h >> 13)) & 0xFF_FFFF) as i32 as f32 * (1.0 / (1 << 24) as f32)
}

/// Value noise in the plane with its two partial derivatives.
#[inline]
pub(super) fn noise2(x: f32, y: f32) -> (f32, f32, f32) {
    let (i, j) = (floor(x), floor(y));
    let (fx, fy) = (x - i as f32, y - j as f32);
    let (ux, uy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (a, b) = (hash(i, j, 0), hash(i + 1, j, 0));
    let (c, d) = (hash(i, j + 1, 0), hash(i + 1, j + 1, 0));
    let k = a - b - c + d;
    (
        a + (b - a) * ux + (c - a) * uy + k * ux * uy,
        6.0 * fx * (1.0 - fx) * (b - a + k * uy),
        6.0 * fy * (1.0 - fy) * (c - a + k * ux),
    )
}

/// Fractal sum of [`noise2`] in about `[0, 1]`, turned at every octave so that
/// the lattice does not show.
pub(super) fn fbm2(mut x: f32, mut y: f32, octaves: u32) -> f32 {
    let (mut sum, mut gain, mut total) = (0.0, 0.5, 0.0);
    for _ in 0..octaves {
        sum += gain * noise2(x, y).0;
        total += gain;
        gain *= 0.5;
        (x, y) = (1.62 * x + 1.21 * y + 17.3, 1.62 * y - 1.21 * x + 9.1);
    }
    sum / total
}

fn noise3(p: V3) -> f32 {
    let (i, j, k) = (floor(p.x), floor(p.y), floor(p.z));
    let fade = |t: f32| t * t * (3.0 - 2.0 * t);
    let (ux, uy) = (fade(p.x - i as f32), fade(p.y - j as f32));
    let plane = |k: i32| {
        let low = mix(hash(i, j, k), hash(i + 1, j, k), ux);
        mix(low, mix(hash(i, j + 1, k), hash(i + 1, j + 1, k), ux), uy)
    };
    mix(plane(k), plane(k + 1), fade(p.z - k as f32))
}

/// Fractal noise in space in about `[0, 1]`.
pub(super) fn fbm3(mut p: V3, octaves: u32) -> f32 {
    let (mut sum, mut gain, mut total) = (0.0, 0.5, 0.0);
    for _ in 0..octaves {
        sum += gain * noise3(p);
        total += gain;
        gain *= 0.5;
        p = v3(1.6 * p.x + 1.2 * p.y, 1.6 * p.y - 1.2 * p.x, 2.0 * p.z) + v3(5.3, 7.7, 3.1);
    }
    sum / total
}
