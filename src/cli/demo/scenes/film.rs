//! The supersampled linear-light picture the scenes paint on.

use super::Scene;
use super::math::{Rng, V3, v3};

/// Samples per pixel along each axis.
pub(super) const SS: usize = 2;
/// Side of the square of samples that makes one bloom cell.
const CELL: usize = 4;

pub(super) struct Film {
    pub w: usize,
    pub h: usize,
    pub px: Vec<V3>,
}

impl Film {
    pub fn new(height: usize, width: usize) -> Film {
        let (w, h) = (width * SS, height * SS);
        Film { w, h, px: vec![v3(0.0, 0.0, 0.0); w * h] }
    }

    /// Samples per picture unit; the shorter side spans `[-1, 1]`.
    pub fn unit(&self) -> f32 {
        self.w.min(self.h).max(1) as f32 / 2.0
    }

    /// Sets every sample from its position, x to the right and y up.
    pub fn fill(&mut self, colour: impl Fn(f32, f32) -> V3) {
        let (unit, w, h) = (self.unit(), self.w, self.h);
        for (row, line) in self.px.chunks_exact_mut(w).enumerate() {
            let y = (h as f32 / 2.0 - row as f32 - 0.5) / unit;
            for (col, px) in line.iter_mut().enumerate() {
                *px = colour((col as f32 + 0.5 - w as f32 / 2.0) / unit, y);
            }
        }
    }

    /// Adds the glow that bright spots leave in a real lens.
    pub fn bloom(&mut self, strength: f32) {
        let (gw, gh) = (self.w.div_ceil(CELL), self.h.div_ceil(CELL));
        let mut glow = vec![v3(0.0, 0.0, 0.0); gw * gh];
        // Very bright suns are clipped or their halo would fill the frame.
        let over = |c: f32| (c - 1.0).clamp(0.0, 6.0) / (CELL * CELL) as f32;
        for (y, line) in self.px.chunks_exact(self.w).enumerate() {
            for (cell, part) in glow[y / CELL * gw..].iter_mut().zip(line.chunks(CELL)) {
                *cell = part.iter().fold(*cell, |sum, c| sum + v3(over(c.x), over(c.y), over(c.z)));
            }
        }
        // Three box blurs are close to a Gaussian.
        let reach = (gw.min(gh) / 28).max(1);
        for _ in 0..3 {
            glow = blur_rows_transposed(&glow, gw, reach);
            glow = blur_rows_transposed(&glow, gh, reach);
        }
        // Bilinear look-up; nearest cells would show as squares.
        let look = |at: usize, cells: usize| {
            let g = ((at as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, cells as f32 - 1.0);
            (g as usize, (g as usize + 1).min(cells - 1), g - (g as usize) as f32)
        };
        for (y, line) in self.px.chunks_exact_mut(self.w).enumerate() {
            let (y0, y1, fy) = look(y, gh);
            let blend = |x: usize| glow[y0 * gw + x].mix(glow[y1 * gw + x], fy);
            let blended: Vec<V3> = (0..gw).map(blend).collect();
            for (x, px) in line.iter_mut().enumerate() {
                let (x0, x1, fx) = look(x, gw);
                *px = *px + blended[x0].mix(blended[x1], fx) * strength;
            }
        }
    }

    /// Averages the samples, tone-maps them and adds vignette and film grain.
    pub fn develop(&self, channels: usize, rng: &mut Rng) -> Scene {
        let (width, height) = (self.w / SS, self.h / SS);
        let mut pixels = Vec::with_capacity(width * height * channels);
        for y in 0..height {
            for x in 0..width {
                let mut sum = v3(0.0, 0.0, 0.0);
                for (dy, dx) in (0..SS * SS).map(|s| (s / SS, s % SS)) {
                    // Tone-mapping each sample first keeps bright edges smooth.
                    let c = self.px[(y * SS + dy) * self.w + x * SS + dx];
                    sum = sum + v3(tone(c.x), tone(c.y), tone(c.z));
                }
                let (u, v) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.5);
                let c = sum * ((1.0 - 0.45 * (u * u + v * v)) / (SS * SS) as f32);
                let bits = rng.draw();
                // Four 16-bit draws: one luma grain and a weaker one a channel.
                let noise = |k: u32| ((bits >> (16 * k)) as u16) as f32 / 65536.0 - 0.5;
                let byte = |v: f32, k: u32| {
                    let grain = 0.018 * noise(3) + 0.010 * noise(k);
                    ((v.max(0.0).powf(1.0 / 2.2) + grain) * 255.0 + 0.5) as u8
                };
                if channels == 1 {
                    pixels.push(byte(c.dot(v3(0.2126, 0.7152, 0.0722)), 0));
                } else {
                    pixels.extend([byte(c.x, 0), byte(c.y, 1), byte(c.z, 2)]);
                }
            }
        }
        Scene { height, width, channels, pixels }
    }
}

/// Narkowicz's fit of the ACES film curve.
fn tone(v: f32) -> f32 {
    let v = v.max(0.0) * 0.8;
    (v * (2.51 * v + 0.03) / (v * (2.43 * v + 0.59) + 0.14)).min(1.0)
}

/// Box-blurs the rows of an image `w` wide and returns it transposed, so that a
/// second call blurs the columns and restores the orientation.
fn blur_rows_transposed(src: &[V3], w: usize, reach: usize) -> Vec<V3> {
    let h = src.len() / w.max(1);
    let mut out = vec![v3(0.0, 0.0, 0.0); src.len()];
    let scale = 1.0 / (2 * reach + 1) as f32;
    for (y, row) in src.chunks_exact(w.max(1)).enumerate() {
        let at = |x: usize| row[x.saturating_sub(reach).min(w - 1)];
        let mut sum = v3(0.0, 0.0, 0.0);
        for x in 0..2 * reach + 1 {
            sum = sum + at(x);
        }
        for x in 0..w {
            out[x * h + y] = sum * scale;
            sum = sum + at(x + 2 * reach + 1) - at(x);
        }
    }
    out
}
