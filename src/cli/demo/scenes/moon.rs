//! The cratered moon in raking light, as a grayscale telescope picture.

use std::f32::consts::TAU;

use super::film::Film;
use super::math::{Rng, V3, fbm3, hash, mix, step, v3};

pub(super) fn paint(film: &mut Film, rng: &mut Rng) {
    // Either the whole disc or a close-up that cuts off most of it.
    let close = rng.chance(0.45);
    let radius = if close { rng.range(1.5, 2.9) } else { rng.range(0.68, 0.92) };
    let away = if close { radius * rng.range(0.35, 0.75) } else { rng.range(0.0, 0.18) };
    let angle = rng.range(0.0, TAU);
    let (cx, cy) = (away * angle.cos(), away * angle.sin());
    // In a close-up the light comes from the side of the frame, so that the
    // terminator is in view.
    let (tilt, phase) = (rng.range(-0.45, 0.45), rng.range(0.12, 0.95));
    let sun = v3(rng.side(), tilt, 0.0).unit() * (1.0 - phase * phase).sqrt();
    let sun = if close {
        let n = v3(-cx / radius, -cy / radius, (1.0 - (away / radius).powi(2)).sqrt());
        (v3(sun.x, sun.y, 0.0) + n * rng.range(0.25, 0.75)).unit()
    } else {
        (sun + v3(0.0, 0.0, phase)).unit()
    };
    let (w, h, scale) = (film.w, film.h, film.unit() * radius);
    let (ox, oy) = (w as f32 / 2.0 + cx * film.unit(), h as f32 / 2.0 - cy * film.unit());
    // The point of the sphere under each sample.
    let on_sphere = |i: usize| {
        let (x, y) = (((i % w) as f32 + 0.5 - ox) / scale, (oy - (i / w) as f32 - 0.5) / scale);
        let zz = 1.0 - x * x - y * y;
        (zz > 0.0).then(|| v3(x, y, zz.sqrt()))
    };
    let points: Vec<Option<V3>> = (0..w * h).map(on_sphere).collect();

    // Height above the sphere (in radii) and albedo of every sample.
    let seed = v3(rng.range(-90.0, 90.0), rng.range(-90.0, 90.0), rng.range(-90.0, 90.0));
    let mut height = vec![0.0f32; w * h];
    let mut albedo = vec![0.0f32; w * h];
    let detail = if close { 5 } else { 4 };
    for i in 0..w * h {
        let Some(n) = points[i] else { continue };
        if n.dot(sun) < -0.25 {
            continue; // Deep in the night nothing of this would show.
        }
        let maria = step(0.45, 0.58, fbm3(n * 1.5 + seed, 3));
        let rough = fbm3(n * 9.0 + seed, detail);
        height[i] = rough * mix(0.020, 0.006, maria) - 0.004 * maria;
        albedo[i] = mix(0.60, 0.24, maria) + 0.30 * (rough - 0.5);
    }

    // Craters, the small ones many and last so that they lie on the large.
    let count = if close { 1100 } else { 800 };
    let finest = 3.0 / scale;
    for k in 0..count {
        let share = 1.0 - k as f32 / count as f32;
        let size = finest.max(0.011 + 0.10 * share.powi(14) + 0.032 * share.powi(4));
        let z = rng.range(-0.1, 1.0);
        let turn = rng.range(0.0, TAU);
        let flat = (1.0 - z * z).max(0.0).sqrt();
        let centre = v3(flat * turn.cos(), flat * turn.sin(), z);
        let young = rng.chance(if k < 150 { 0.06 } else { 0.015 }) && size < 0.05;
        let id = rng.below(1 << 16) as i32;
        let fresh = rng.range(0.25, 1.0);
        let reach = size * if young { 6.0 } else { 2.0 };
        let (px, py) = (ox + centre.x * scale, oy - centre.y * scale);
        let span = reach * scale;
        let clip = |v: f32, top: usize| v.clamp(0.0, top as f32) as usize;
        if !young && centre.dot(sun) < -0.25 {
            continue;
        }
        for row in clip(py - span, h)..clip(py + span + 1.0, h) {
            for col in clip(px - span, w)..clip(px + span + 1.0, w) {
                let Some(n) = points[row * w + col] else { continue };
                let off = n - centre;
                let d2 = off.dot(off) / (size * size);
                if d2 < 4.0 {
                    let (lift, bright) = profile(d2.sqrt(), size);
                    height[row * w + col] += lift * size * fresh;
                    albedo[row * w + col] += bright * fresh;
                }
                if young && d2 < 36.0 {
                    albedo[row * w + col] += rays(off, centre, d2.sqrt(), id);
                }
            }
        }
    }

    // At the limb the view is along the ground and relief would fold over.
    for (lift, n) in height.iter_mut().zip(&points) {
        *lift *= n.map_or(0.0, |n| (2.2 * n.z).min(1.0));
    }

    // Earthshine on the night side.
    let (white, dark) = (v3(1.0, 1.0, 1.0), rng.range(0.001, 0.005));
    let at = |col: i32, row: i32| {
        let (col, row) = (col.clamp(0, w as i32 - 1), row.clamp(0, h as i32 - 1));
        let i = row as usize * w + col as usize;
        points[i].map(|n| (n, height[i]))
    };
    for (i, px) in film.px.iter_mut().enumerate() {
        let (col, row) = ((i % w) as i32, (i / w) as i32);
        let Some((n, lift)) = at(col, row) else {
            // Stars, rare and mostly faint; 2x2 samples so that they survive.
            let star = hash(col / 2, row / 2, seed.x as i32);
            let glow = if star > 0.9985 { (star - 0.9985) * 500.0 } else { 0.0 };
            *px = white * (0.0015 + glow * glow);
            continue;
        };
        let (Some((nx, hx)), Some((ny, hy))) = (at(col + 1, row), at(col, row - 1)) else {
            *px = white * dark;
            continue;
        };
        let p = n * (1.0 + lift);
        let (right, up) = (nx * (1.0 + hx) - p, ny * (1.0 + hy) - p);
        let normal = right.cross(up).unit();
        let normal = if normal.length() < 0.5 { n } else { normal };
        // The moon is not Lambertian: dust scatters back, so the limb is bright.
        let (mu0, mu) = (normal.dot(sun).max(0.0), normal.z.max(0.05));
        let light = 0.55 * mu0 + 0.9 * mu0 / (mu0 + mu);
        let shadow = if n.dot(sun) > 0.5 {
            1.0 // No slope is steep enough.
        } else if mu0 > 0.0 {
            shadow(n, lift, sun, scale, &|q| {
                let (col, row) = ((ox + q.x * scale) as usize, (oy - q.y * scale) as usize);
                (col < w && row < h).then(|| height[row * w + col])
            })
        } else {
            0.0
        };
        *px = white * (albedo[i].clamp(0.06, 1.0) * 0.72 * light * shadow + dark);
    }
}

/// Height (in crater radii) and albedo change at distance `d` from the centre.
fn profile(d: f32, size: f32) -> (f32, f32) {
    // Large craters are shallow with flat floors and central peaks.
    let big = step(0.02, 0.09, size);
    let depth = mix(0.34, 0.13, big);
    let floor = mix(0.15, 0.68, big);
    let bowl = -depth * step(1.0, floor, d);
    let rim = 0.30 * depth * step(0.72, 1.0, d) * step(1.9, 1.0, d);
    let peak = 0.35 * depth * big * step(0.15, 0.0, d);
    (bowl + rim + peak, 0.10 * step(0.7, 0.95, d) * step(1.5, 1.0, d) - 0.05 * step(0.8, 0.4, d))
}

/// Bright streaks thrown out of a young crater.
fn rays(off: V3, centre: V3, d: f32, id: i32) -> f32 {
    let side = centre.cross(v3(0.0, 1.0, 0.01)).unit();
    let turn = off.dot(side).atan2(off.dot(side.cross(centre))) * 5.1;
    let (lo, t) = (turn.floor(), turn - turn.floor());
    // 32 sectors a turn; wrap so that the first and the last agree.
    let ray = |k: f32| hash((k as i32).rem_euclid(32), 3, id).powi(3);
    let streak = mix(ray(lo), ray(lo + 1.0), t * t * (3.0 - 2.0 * t));
    0.45 * streak * step(6.0, 1.0, d) + 0.22 * step(2.4, 0.8, d)
}

/// How much of the sun is seen from the surface at `n` over its surroundings.
fn shadow(n: V3, lift: f32, sun: V3, scale: f32, at: &impl Fn(V3) -> Option<f32>) -> f32 {
    let (mut t, mut clear) = (2.0 / scale, 1.0f32);
    for _ in 0..12 {
        let q = n + sun * t;
        let Some(other) = at(q) else { break };
        if clear <= 0.0 {
            break;
        }
        clear = clear.min(1.0 + (q.length() - 1.0 + lift - other) / (0.16 * t));
        t *= 1.35;
    }
    clear.clamp(0.0, 1.0)
}
