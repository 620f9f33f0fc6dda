//! Landscapes under an open sky: mountain ranges and the sea at sunset.

use super::film::Film;
use super::math::{Rng, V3, fbm2, floor, hash, mix, noise2, step, v3};

/// Sky colours, the sun and one layer of clouds.
struct Sky {
    sun: V3,
    light: V3,
    zenith: V3,
    horizon: V3,
    /// Threshold of the cloud noise: lower is cloudier.
    clear: f32,
    offset: f32,
}

impl Sky {
    /// A sky with the sun at `azimuth` and `height` (tangents, ahead is +z).
    /// `day` runs from 0 (sun at the horizon) to 1 (blue noon).
    fn new(rng: &mut Rng, azimuth: f32, height: f32, day: f32) -> Sky {
        // Dusks differ: from orange and teal to pink and violet.
        let pink = rng.range(0.0, 1.0);
        let dusk = v3(1.05, 0.40, 0.10).mix(v3(0.80, 0.26, 0.22), pink);
        let night = v3(0.035, 0.115, 0.26).mix(v3(0.085, 0.075, 0.25), pink);
        Sky {
            sun: v3(azimuth, height, 1.0).unit(),
            light: v3(1.8, 0.72, 0.28).mix(v3(1.6, 1.5, 1.35), day),
            zenith: night.mix(v3(0.07, 0.21, 0.56), day),
            horizon: dusk.mix(v3(0.52, 0.66, 0.84), day),
            clear: rng.range(0.36, 0.56),
            offset: rng.range(0.0, 900.0),
        }
    }

    /// The colour in direction `d`; fewer `octaves` do for reflections.
    fn colour(&self, d: V3, octaves: u32) -> V3 {
        let up = d.y.max(0.0);
        let toward = d.dot(self.sun).max(0.0);
        // Away from the sun the horizon band is paler and cooler.
        let band = self.horizon.mix(self.zenith + v3(0.20, 0.18, 0.12), 0.55 * (1.0 - toward));
        let mut sky = band.mix(self.zenith, 1.0 - (-4.2 * up).exp());
        let near = toward.powi(8);
        // Between the bands a clear sky passes through pale green, not violet.
        let middle = (-4.2 * up).exp() * (1.0 - (-4.2 * up).exp());
        sky = sky + (v3(0.05, 0.36, 0.10) * self.horizon.x) * middle;
        sky = sky + self.light * (0.12 * near + 0.40 * near.powi(12));
        if up > 0.01 && octaves > 0 {
            // Clouds lie in a plane, so they crowd together at the horizon.
            let k = 1.3 / (up + 0.08);
            let (x, z) = (d.x * k + self.offset, d.z * k * 1.6);
            let thick = fbm2(x, z, octaves);
            let cover = step(self.clear, self.clear + 0.24, thick) * step(0.01, 0.12, up);
            if cover > 0.0 {
                // Compare with the density a little toward the sun: lit rims.
                let rim = thick - fbm2(x + self.sun.x * 0.35, z + self.sun.z * 0.35, 2);
                let lit = (0.42 + 2.6 * rim).clamp(0.0, 1.0);
                let shade = self.zenith.mix(self.horizon, 0.35) * 0.75;
                let glow = self.light.mix(self.horizon, 0.35) * (0.55 + 0.6 * near);
                sky = sky.mix(shade.mix(glow, lit), cover * 0.85);
            }
        }
        sky + self.light * (9.0 * step(0.99945, 0.99970, d.dot(self.sun)))
    }
}

/// Terrain in kilometres with the camera near the origin, looking along +z.
struct Terrain {
    x: f32,
    z: f32,
    peak: f32,
    /// The side (sign) on which a wooded bank rises, and how steeply.
    bank: f32,
    /// Height of the ground around the camera: far below 0 there is a lake.
    valley: f32,
}

impl Terrain {
    fn height(&self, x: f32, z: f32, octaves: u32) -> f32 {
        let (mut px, mut pz) = (x * 0.17 + self.x, z * 0.17 + self.z);
        let (mut sum, mut gain, mut dx, mut dz) = (0.0, 1.0, 0.0, 0.0);
        for _ in 0..octaves {
            let (n, nx, nz) = noise2(px, pz);
            (dx, dz) = (dx + nx, dz + nz);
            // Detail fades on steep ground: ridges stay sharp, valleys smooth.
            sum += gain * n / (1.0 + dx * dx + dz * dz);
            gain *= 0.5;
            (px, pz) = (1.6 * px - 1.2 * pz, 1.2 * px + 1.6 * pz);
        }
        let ramp = step(2.5, 17.0, z + 0.25 * x.abs());
        let side = (x * self.bank - 0.18 * z - 0.2).max(0.0) * (1.0 - ramp);
        (sum - 0.42) * mix(0.5, self.peak, ramp) + side + self.valley * (1.0 - ramp)
    }

    /// Height of the pine at a point, if any: one tree a cell, jittered.
    fn pine(x: f32, z: f32) -> f32 {
        const CELL: f32 = 0.034;
        // Turned, or the rows of cells would show as aisles.
        let (u, v) = ((0.82 * x - 0.57 * z) / CELL, (0.57 * x + 0.82 * z) / CELL);
        let (i, j) = (floor(u), floor(v));
        let (a, b) = (hash(i, j, 5), hash(i, j, 6));
        let (du, dv) = (u - i as f32 - 0.3 - 0.4 * a, v - j as f32 - 0.3 - 0.4 * b);
        let cone = 1.0 - (du * du + dv * dv).sqrt() * 2.8;
        cone.max(0.0) * (0.035 + 0.06 * hash(i, j, 7))
    }

    /// Above 0 where woods grow: in patches, not high up nor at the shore.
    fn woods(&self, x: f32, z: f32, ground: f32) -> f32 {
        let patch = fbm2(x * 1.3 + self.z, z * 1.3 + self.x, 2);
        patch - 0.36 - step(0.55, 1.5, ground) - step(0.04, 0.0, ground)
    }
}

pub(super) fn mountains(film: &mut Film, rng: &mut Rng) {
    let day = step(0.1, 0.75, rng.range(0.0, 1.0));
    let side = rng.side();
    let azimuth = side * rng.range(0.25, 1.3);
    let height = mix(0.16, 0.75, day) * rng.range(0.8, 1.2);
    let sky = Sky::new(rng, azimuth, height, day);
    let land = Terrain {
        x: rng.range(-500.0, 500.0),
        z: rng.range(-500.0, 500.0),
        peak: rng.range(4.6, 7.2),
        bank: -side * rng.range(0.25, 0.5),
        valley: rng.range(-0.32, -0.04),
    };
    let fog = rng.range(0.012, 0.036);
    let snow_line = rng.range(0.7, 1.5);
    let rise = rng.range(0.12, 0.35);
    let eye = rise + land.height(0.0, 0.4, 7).max(0.0);
    let focal = rng.range(1.25, 1.8) * film.unit();
    let (w, h) = (film.w, film.h);
    let level = h as f32 * rng.range(0.56, 0.66);
    let wind = rng.range(0.4, 1.5);
    // Nearer ground is below the frame.
    let near = (0.7 * rise * focal / (h as f32 - level)).clamp(0.04, 0.3);

    // March each column front to back and paint what rises above all before.
    let haze = sky.horizon.mix(sky.zenith, 0.35);
    let mut water = vec![false; w * h];
    for col in 0..w {
        let slope = (col as f32 + 0.5 - w as f32 / 2.0) / focal;
        let away = (1.0 + slope * slope).sqrt();
        let toward = v3(slope, 0.0, 1.0).unit().dot(sky.sun).max(0.0);
        let air = haze.mix(sky.light, 0.22 * toward.powi(6));
        let mut top = h;
        let mut last = v3(0.0, 0.0, 0.0);
        let mut z = near;
        while z < 60.0 && top > 0 {
            let x = slope * z;
            let ground = land.height(x, z, if z < 5.0 { 7 } else { 6 });
            let mut surface = ground.max(0.0);
            let stride = if z < 16.0 { 1.009 } else { 1.015 };
            if level - (surface + 0.1 - eye) / z * focal >= top as f32 {
                z *= stride;
                continue;
            }
            let woods = if ground > 0.0 && z < 16.0 { land.woods(x, z, ground) } else { -1.0 };
            let pine = if woods > 0.0 { Terrain::pine(x, z) } else { 0.0 };
            surface += pine;
            let y = (level - (surface - eye) / z * focal).max(0.0);
            if y < top as f32 - 0.5 {
                let to = y.round() as usize;
                let colour = if ground > 0.0 {
                    let lit = shade(&land, &sky, v3(x, ground, z), (woods, pine, snow_line));
                    let thin = (-fog * 0.35 * surface.max(0.0)).exp();
                    lit.mix(air, 1.0 - (-fog * thin * z * away).exp())
                } else {
                    air
                };
                for row in to..top {
                    let i = row * w + col;
                    water[i] = ground <= 0.0;
                    // Blend from the step before, or spans show as bands.
                    let t = (top - row) as f32 / (top - to) as f32;
                    let from = if top == h || pine > 0.0 { colour } else { last };
                    film.px[i] = from.mix(colour, t);
                }
                (top, last) = (to, colour);
            }
            z *= stride;
        }
        for row in 0..top {
            let d = v3(slope, (level - row as f32 - 0.5) / focal, 1.0).unit();
            film.px[row * w + col] = sky.colour(d, 4);
        }
    }

    // The lake mirrors the finished picture about the horizon.
    let deep = sky.zenith * 0.22 + v3(0.004, 0.02, 0.02);
    for i in (0..w * h).filter(|&i| water[i]) {
        let (x, below) = ((i % w) as f32 - w as f32 / 2.0, (i / w) as f32 + 0.5 - level);
        let z = eye * focal / below.max(0.5);
        let (n, nx, _) = noise2(x / focal * z * 26.0, z * 14.0);
        let calm = below * 0.10 * wind;
        let row = (level - below * 1.04 + (n - 0.5) * calm * 2.0).max(0.0);
        let col = (x + w as f32 / 2.0 + nx * calm * 0.15).clamp(0.0, w as f32 - 1.0);
        let mut seen = (row as usize).min(h - 1) * w + col as usize;
        while water[seen] && seen >= w {
            seen -= w;
        }
        let seen = film.px[seen];
        let gaze = below / (below * below + focal * focal).sqrt();
        let fresnel = 0.10 + 0.82 * (1.0 - gaze).powi(4);
        film.px[i] = deep.mix(seen, fresnel);
    }
    film.bloom(0.3);
}

/// Colour of the ground at `p`; `cover` is woods, pine height and snow line.
fn shade(land: &Terrain, sky: &Sky, p: V3, cover: (f32, f32, f32)) -> V3 {
    let (woods, pine, snow_line) = cover;
    let e = 0.004 + 0.0022 * p.z;
    let octaves = if p.z < 5.0 { 7 } else { 6 };
    let nx = p.y - land.height(p.x + e, p.z, octaves);
    let nz = p.y - land.height(p.x, p.z + e, octaves);
    let n = v3(nx, e, nz).unit();
    let grain = fbm2(p.x * 9.0, p.z * 9.0, 2);
    let rock = v3(0.17, 0.15, 0.14).mix(v3(0.34, 0.29, 0.25), grain);
    let tuft = noise2(p.x * 60.0, p.z * 60.0).0 * 0.5 + noise2(p.x * 190.0, p.z * 190.0).0 * 0.5;
    let grass = v3(0.045, 0.085, 0.02).mix(v3(0.15, 0.16, 0.05), grain) * (0.55 + 0.9 * tuft);
    let mut skin = rock.mix(grass, step(0.62, 0.8, n.y) * step(1.5, 0.6, p.y));
    let snow = step(-0.25, 0.35, p.y - snow_line + 0.9 * (grain - 0.5)) * step(0.36, 0.62, n.y);
    skin = skin.mix(v3(0.86, 0.89, 0.95), snow);
    // Far woods are a tint; near ones have cones, lighter at the tips.
    skin = skin.mix(v3(0.020, 0.042, 0.022), step(-0.04, 0.10, woods) * (1.0 - snow));
    if pine > 0.0 {
        skin = v3(0.010, 0.024, 0.014).mix(v3(0.05, 0.085, 0.035), pine * 14.0);
    }
    let mut sun = n.dot(sky.sun).max(0.0);
    if pine > 0.0 {
        sun = 0.35 + 0.3 * sun;
    }
    let (mut t, mut clear) = (0.12 + 0.01 * p.z, 1.0f32);
    for _ in 0..if sun > 0.0 { 5 } else { 0 } {
        let q = p + sky.sun * t;
        clear = clear.min(0.5 + (q.y - land.height(q.x, q.z, 3) + 0.06) / (0.16 * t));
        t *= 2.1;
    }
    let ambient = sky.zenith.mix(sky.horizon, 0.3) * (0.30 + 0.45 * n.y);
    skin * (sky.light * (1.9 * sun * clear.clamp(0.0, 1.0)) + ambient)
}

pub(super) fn ocean(film: &mut Film, rng: &mut Rng) {
    let side = rng.side();
    let azimuth = side * rng.range(0.10, 0.42);
    let day = rng.range(0.0, 0.32);
    let height = rng.range(0.03, 0.16);
    let sky = Sky::new(rng, azimuth, height, day);
    let level = rng.range(-0.42, 0.05);
    let focal = rng.range(1.3, 1.9);
    let (swell, seed) = (rng.range(0.35, 1.0), rng.range(0.0, 400.0));
    // A headland enters from the side away from the sun.
    let reach = rng.range(0.15, 0.75);
    let tall = rng.range(0.10, 0.34);
    let sail = rng.chance(0.7).then(|| {
        let size = rng.range(0.05, 0.16);
        (side * rng.range(-0.35, 0.75), size)
    });
    // What stands on the water at height `lift`, seen directly or mirrored.
    let solid = |x: f32, lift: f32, octaves: u32| {
        if let Some((bx, size)) = sail
            && boat((x - bx) / size, lift / size + 0.3)
        {
            return Some(v3(0.006, 0.007, 0.012));
        }
        if lift > 1.8 * tall {
            return None;
        }
        let inland = step(1.0 - reach, 1.35, -x * side);
        let crag = fbm2(x * 3.1 + seed, seed, octaves) + 0.25 * fbm2(x * 31.0, seed, 2) * inland;
        let coast = inland * tall * (0.35 + 1.3 * crag) - 0.05 * (1.0 - inland);
        (lift < coast).then(|| {
            let grain = fbm2(x * 22.0 + seed, lift * 30.0, 3);
            sky.zenith * (0.06 + 0.30 * grain) + sky.horizon * 0.035
        })
    };
    film.fill(|x, y| {
        let lift = y - level;
        let d = v3(x, lift, focal).unit();
        if lift > 0.0 {
            return solid(x, lift, 5).unwrap_or_else(|| sky.colour(d, 4));
        }
        // Where the ray meets the sea, one unit below the eye, and its waves.
        let t = 1.0 / (-d.y).max(1e-3);
        let (px, pz) = (d.x * t * 1.3 + seed, d.z * t * 1.3);
        let (mut nx, mut nz, mut gain, mut scale) = (0.0, 0.0, 0.16 * swell, 1.0);
        for k in 0..5 {
            // Crests run across the view, so x is squeezed.
            let turn = k as f32 * 0.5 - 1.2;
            let (qx, qz) = (px * 0.7 + pz * 0.3 * turn, pz - px * 0.2 * turn);
            let (_, dx, dz) = noise2(qx * scale, qz * scale + 31.0 * turn);
            (nx, nz) = (nx + gain * dx, nz + gain * dz);
            gain *= 0.74;
            scale *= 1.8;
        }
        // Far waves are smaller than a sample; flatten them or they flicker.
        let far = 1.0 / (1.0 + 0.015 * t);
        let n = v3(nx * far, 1.0, nz * far).unit();
        let mut r = d.reflect(n);
        r.y = r.y.abs().max(0.004);
        let facing = (-d.dot(n)).clamp(0.0, 1.0);
        let fresnel = 0.03 + 0.97 * (1.0 - facing).powi(5);
        let ahead = focal / r.z.max(0.05);
        let object = solid(r.x * ahead, r.y * ahead, 2);
        let mut mirror = object.unwrap_or_else(|| sky.colour(r, 2));
        if object.is_none() {
            // The disc is too small to hit evenly: a wide lobe makes the glitter.
            mirror = mirror + sky.light * (3.5 * r.dot(sky.sun).max(0.0).powi(260));
        }
        let deep = sky.zenith * v3(0.16, 0.34, 0.34);
        let haze = if object.is_none() { 0.6 * step(80.0, 600.0, t) } else { 0.0 };
        deep.mix(mirror, fresnel).mix(sky.colour(v3(d.x, 0.0, d.z).unit(), 0), haze)
    });
    film.bloom(0.35);
}

/// Outline of a sailing boat about two units tall with its waterline at 0.
fn boat(x: f32, y: f32) -> bool {
    let hull = (-0.22..0.0).contains(&(y - 0.22)) && x.abs() < 0.62 + 0.9 * (y - 0.22);
    let main = y > 0.34 && y < 2.0 && x > 0.04 && x < 0.62 * (1.0 - (y - 0.34) / 1.7).powf(0.8);
    let jib = y > 0.40 && y < 1.7 && x < -0.04 && -x < 0.46 * (1.0 - (y - 0.40) / 1.35);
    hull || main || jib || (x.abs() < 0.02 && (0.2..2.05).contains(&y))
}
