//! Fruit and polished balls on a table by a window, ray traced.

use std::f32::consts::TAU;

use super::film::Film;
use super::math::{Rng, V3, fbm2, fbm3, floor, hash, mix, noise2, step, v3};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Apple,
    Orange,
    Pear,
    Plum,
    Chrome,
    Glazed,
}

/// A thing on the table; `at` is the centre of its bounding sphere.
struct Thing {
    kind: Kind,
    at: V3,
    radius: f32,
    /// The axis of the fruit, from bottom to stem.
    axis: V3,
    tint: V3,
    blush: V3,
    seed: f32,
}

#[derive(Clone, Copy)]
enum Table {
    Wood,
    Checker,
    Marble,
}

struct Room {
    things: Vec<Thing>,
    table: Table,
    wood: V3,
    wall: V3,
    /// Direction of the window and its light.
    window: V3,
    light: V3,
    fill: V3,
    back: f32,
    turn: f32,
    seed: f32,
}

pub(super) fn paint(film: &mut Film, rng: &mut Rng) {
    let side = rng.side();
    let evening = rng.range(0.0, 1.0);
    let cool = [v3(0.10, 0.13, 0.15), v3(0.07, 0.12, 0.10), v3(0.12, 0.17, 0.24)];
    let warm = [v3(0.26, 0.15, 0.10), v3(0.30, 0.28, 0.24), v3(0.16, 0.10, 0.14)];
    let walls = if rng.chance(0.5) { cool } else { warm };
    let woods = [v3(0.34, 0.17, 0.075), v3(0.18, 0.085, 0.045), v3(0.46, 0.30, 0.16)];
    let tables = [Table::Wood, Table::Wood, Table::Checker, Table::Marble];
    let room = Room {
        table: tables[rng.below(tables.len())],
        wood: woods[rng.below(woods.len())],
        wall: walls[rng.below(walls.len())],
        window: v3(side * rng.range(0.7, 1.2), rng.range(0.75, 1.25), rng.range(-0.75, -0.1)).unit(),
        light: v3(1.55, 1.42, 1.22).mix(v3(1.75, 1.15, 0.62), evening),
        fill: v3(0.20, 0.24, 0.30).mix(v3(0.20, 0.17, 0.20), evening),
        back: rng.range(2.6, 3.6),
        turn: rng.range(-0.6, 0.6),
        seed: rng.range(0.0, 500.0),
        things: arrange(rng, side),
    };
    let focal = rng.range(2.5, 3.0);
    let eye = v3(-side * rng.range(0.2, 1.3), rng.range(1.5, 2.7), -rng.range(4.4, 5.0));
    let aim = v3(side * 0.12, rng.range(0.42, 0.55), 0.0);
    let ahead = (aim - eye).unit();
    let right = v3(0.0, 1.0, 0.0).cross(ahead).unit();
    let up = ahead.cross(right);
    film.fill(|x, y| room.trace(eye, (right * x + up * y + ahead * focal).unit()));
    film.bloom(0.15);
}

/// Places things without overlap, denser on the side away from the window.
fn arrange(rng: &mut Rng, side: f32) -> Vec<Thing> {
    use Kind::*;
    let kinds = [Apple, Apple, Apple, Orange, Orange, Pear, Pear, Pear, Plum, Plum, Chrome, Glazed];
    let count = 5 + rng.below(5);
    // Each picture keeps to a few kinds, as a painter would.
    let menu = [(); 4].map(|()| kinds[rng.below(kinds.len())]);
    let mut things: Vec<Thing> = Vec::with_capacity(count);
    for _ in 0..400 {
        if things.len() == count {
            break;
        }
        let kind = menu[rng.below(menu.len())];
        let (spin, lean) = (rng.range(0.0, TAU), rng.range(0.0, 0.28));
        let axis = v3(lean * spin.cos(), 1.0, lean * spin.sin()).unit();
        let pick = rng.range(0.0, 1.0);
        // Radius, height of the centre in radii, and two skin colours.
        let (radius, rest, tint, blush) = match kind {
            Apple if pick < 0.3 => (0.44, 0.82, v3(0.40, 0.52, 0.08), v3(0.52, 0.60, 0.14)),
            Apple => (0.44, 0.82, v3(0.70, 0.42, 0.08), v3(0.46, 0.014, 0.018)),
            Orange => (0.42, 1.0, v3(0.86, 0.22, 0.008), v3(0.90, 0.30, 0.015)),
            Pear => (0.62, 0.86, v3(0.62, 0.58, 0.12), v3(0.58, 0.32, 0.08)),
            Plum => (0.29, 1.0, v3(0.13, 0.02, 0.10), v3(0.24, 0.04, 0.07)),
            Chrome => {
                let metal = if pick > 0.65 { v3(1.0, 0.78, 0.42) } else { v3(0.92, 0.92, 0.94) };
                (0.3 + 0.25 * pick, 1.0, metal, metal)
            }
            Glazed => {
                let blues = v3(0.03, 0.12, 0.45).mix(v3(0.02, 0.30, 0.26), rng.range(0.0, 1.0));
                let hues = [blues, v3(0.55, 0.05, 0.05), v3(0.75, 0.70, 0.62)];
                let hue = hues[rng.below(hues.len())];
                (0.26 + 0.26 * pick, 1.0, hue, hue)
            }
        };
        let radius = radius * rng.range(0.92, 1.08);
        let x = side * 0.2 + (0.45 + 0.12 * count as f32) * rng.range(-1.0, 1.0);
        let at = v3(x, radius * rest, rng.range(-0.8, 0.9));
        if things.iter().any(|t| (t.at - at).length() < 0.86 * (t.radius + radius)) {
            continue;
        }
        things.push(Thing { kind, at, radius, axis, tint, blush, seed: rng.range(0.0, 99.0) });
    }
    things
}

impl Thing {
    /// Distance to the outline at `r` off the axis and `y` along it, in radii.
    fn profile(&self, r: f32, y: f32) -> f32 {
        match self.kind {
            // A torus thicker than its hole is wide has an apple's two dimples.
            Kind::Apple => {
                let taper = 0.62 + 0.07 * y;
                let body = ((r - 0.27).powi(2) + y * y).sqrt() - taper;
                body.min(stem(r, y, 0.30, 0.88))
            }
            Kind::Pear => {
                let low = (r * r + (y + 0.33).powi(2)).sqrt() - 0.54;
                let high = (r * r + (y - 0.36).powi(2)).sqrt() - 0.26;
                let k = (0.5 + 0.5 * (high - low) / 0.42).clamp(0.0, 1.0);
                let body = mix(high, low, k) - 0.42 * k * (1.0 - k);
                body.min(stem(r, y, 0.5, 0.92))
            }
            _ => (r * r + y * y).sqrt() - 1.0,
        }
    }

    fn distance(&self, p: V3) -> f32 {
        let q = (p - self.at) * (1.0 / self.radius);
        let y = q.dot(self.axis);
        self.profile((q.dot(q) - y * y).max(0.0).sqrt(), y) * self.radius
    }

    fn hit(&self, eye: V3, d: V3, limit: f32) -> Option<f32> {
        let oc = eye - self.at;
        let b = oc.dot(d);
        let disc = b * b - oc.dot(oc) + self.radius * self.radius;
        if disc < 0.0 {
            return None;
        }
        let (near, far) = (-b - disc.sqrt(), (-b + disc.sqrt()).min(limit));
        if near > limit {
            return None;
        }
        if matches!(self.kind, Kind::Orange | Kind::Plum | Kind::Chrome | Kind::Glazed) {
            return (near > 1e-3).then_some(near);
        }
        let mut t = near.max(1e-3);
        for _ in 0..28 {
            let gap = self.distance(eye + d * t);
            if gap < 2e-3 {
                return Some(t);
            }
            t += gap * 0.9;
            if t > far {
                break;
            }
        }
        None
    }

    fn normal(&self, p: V3) -> V3 {
        let smooth = (p - self.at).unit();
        match self.kind {
            Kind::Plum | Kind::Chrome | Kind::Glazed => smooth,
            // Pores: tilt the normal by a cheap per-cell gradient.
            Kind::Orange => (smooth + pores(smooth)).unit(),
            _ => {
                let e = 0.004;
                let (a, b) = (v3(e, -e, -e), v3(-e, -e, e));
                let (c, d) = (v3(-e, e, -e), v3(e, e, e));
                let sum = a * self.distance(p + a) + b * self.distance(p + b);
                (sum + c * self.distance(p + c) + d * self.distance(p + d)).unit()
            }
        }
    }

    /// Skin colour and how mirror-like it is.
    fn skin(&self, p: V3) -> (V3, f32) {
        let q = (p - self.at) * (1.0 / self.radius);
        let y = q.dot(self.axis);
        let r = (q.dot(q) - y * y).max(0.0).sqrt();
        let s = v3(self.seed, self.seed, self.seed);
        match self.kind {
            Kind::Apple | Kind::Pear if stem(r, y, 0.3, 0.9) < 0.012 => (v3(0.10, 0.055, 0.03), 0.0),
            Kind::Apple => {
                // Streaks run from pole to pole, so squeeze the noise along them.
                let around = q - self.axis * y;
                let streak = fbm3(around * (9.0 / r.max(0.1)) + v3(0.0, y, 0.0) + s, 3);
                let patch = fbm3(q * 1.4 + s, 2);
                let red = step(0.18, 0.58, patch + 0.55 * (streak - 0.5) - 0.25 * step(0.4, 0.1, r));
                (self.tint.mix(self.blush, red), 0.05)
            }
            Kind::Pear => {
                let freckle = step(0.60, 0.72, fbm3(q * 16.0 + s, 2));
                let patch = step(0.42, 0.72, fbm3(q * 1.6 + s, 3));
                (self.tint.mix(self.blush, patch) * (1.0 - 0.35 * freckle), 0.03)
            }
            Kind::Plum => {
                let bloom = step(0.35, 0.75, fbm3(q * 3.0 + s, 4));
                let skin = self.tint.mix(self.blush, fbm3(q * 1.3 + s, 2));
                (skin.mix(v3(0.22, 0.20, 0.34), 0.40 * bloom), 0.03)
            }
            Kind::Chrome => (self.tint, 0.85),
            Kind::Glazed => (self.tint, 0.06),
            _ => {
                // The green button where the stem was.
                let skin = self.tint.mix(self.blush, fbm3(q * 2.0 + s, 2));
                (skin.mix(v3(0.09, 0.13, 0.02), step(0.990, 0.996, y)), 0.03)
            }
        }
    }
}

/// Distance to a stem on the axis between heights `a` and `b`.
fn stem(r: f32, y: f32, a: f32, b: f32) -> f32 {
    let bend = (r * r + (y - y.clamp(a, b)).powi(2)).sqrt();
    bend - 0.028 - 0.02 * step(b - 0.12, b, y)
}

/// A small tilt of the normal `n` that makes orange peel.
fn pores(n: V3) -> V3 {
    let (a, ax, ay) = noise2(n.x * 17.0, n.y * 17.0 + n.z * 7.0);
    let (b, bz, by) = noise2(n.z * 17.0, n.y * 17.0 - n.x * 7.0);
    v3(ax * b, (ay + by) * 0.5, bz * a) * -0.10
}

impl Room {
    /// The first thing a ray meets before `limit`.
    fn nearest(&self, eye: V3, d: V3, limit: f32) -> Option<(f32, &Thing)> {
        let (mut best, mut limit) = (None, limit);
        for thing in &self.things {
            if let Some(t) = thing.hit(eye, d, limit) {
                (limit, best) = (t, Some((t, thing)));
            }
        }
        best
    }

    fn trace(&self, eye: V3, d: V3) -> V3 {
        let table = if d.y < 0.0 { -eye.y / d.y } else { f32::MAX };
        if let Some((t, thing)) = self.nearest(eye, d, table) {
            let p = eye + d * t;
            let n = thing.normal(p);
            let (skin, gloss) = thing.skin(p);
            let facing = (1.0 - (-d.dot(n)).clamp(0.0, 1.0)).powi(5);
            // Dull skins show no more than the window.
            let r = d.reflect(n);
            let mirror = if gloss > 0.05 { self.glance(p + n * 0.01, r) } else { self.surround(r) };
            if thing.kind == Kind::Chrome {
                return mirror * skin.mix(v3(1.0, 1.0, 1.0), facing) * 0.92;
            }
            let lit = self.light_at(p, n, Some(thing));
            // Light from below is tinted by the table it bounced off.
            let bounce = self.wood * (0.35 * (0.5 - 0.5 * n.y));
            let shine = gloss + (0.45 * gloss.sqrt()) * facing;
            return skin * (lit + bounce) + mirror * shine;
        }
        let p = eye + d * table;
        if table == f32::MAX || p.z > self.back {
            return self.wall_at(eye, d);
        }
        let (skin, gloss) = self.top(p);
        let facing = (1.0 + d.y).powi(5);
        let mirror = self.glance(p + v3(0.0, 1e-3, 0.0), v3(d.x, -d.y, d.z));
        let near = skin * self.light_at(p, v3(0.0, 1.0, 0.0), None);
        let top = near.mix(mirror, gloss * (0.25 + 0.75 * facing));
        // The back edge is out of focus; fade it instead of blurring.
        let edge = step(-0.35, 0.0, p.z - self.back);
        if edge > 0.0 { top.mix(self.wall_at(eye, d), edge) } else { top }
    }

    /// What a reflected ray sees, shaded simply: it is dimmed anyway.
    fn glance(&self, eye: V3, d: V3) -> V3 {
        let table = if d.y < 0.0 { -eye.y / d.y } else { f32::MAX };
        if let Some((t, thing)) = self.nearest(eye, d, table) {
            let n = (eye + d * t - thing.at).unit();
            let sun = n.dot(self.window).max(0.0);
            return thing.tint.mix(thing.blush, 0.5) * (self.light * (0.6 * sun) + self.fill * (0.6 + 0.4 * n.y));
        }
        let p = eye + d * table;
        if table == f32::MAX || p.z > self.back || p.length() > 6.0 {
            return self.surround(d);
        }
        let up = v3(0.0, 1.0, 0.0);
        self.top(p).0 * (self.light * (0.8 * self.window.y * self.sunlit(p, up, None)) + self.fill)
    }

    /// The room in direction `d`: dim walls and a window with a cross bar.
    fn surround(&self, d: V3) -> V3 {
        let side = v3(0.0, 1.0, 0.0).cross(self.window).unit();
        let (u, v) = (d.dot(side), d.dot(self.window.cross(side)));
        let ahead = d.dot(self.window) > 0.0;
        let pane = step(0.34, 0.30, u.abs()) * step(0.42, 0.38, v.abs());
        let bars = step(0.015, 0.03, u.abs()) * step(0.015, 0.03, v.abs());
        let wall = self.wall.mix(self.fill, 0.35) * (0.6 + 0.5 * d.y);
        if ahead { wall + self.light * (2.6 * pane * bars) } else { wall }
    }

    /// The wall behind the table, with a soft pool of window light.
    fn wall_at(&self, eye: V3, d: V3) -> V3 {
        let t = (self.back + 2.0 - eye.z) / d.z.max(0.1);
        let p = eye + d * t;
        let side = -self.window.x.signum();
        let (x, y) = (p.x - side * 1.4, p.y - 1.3);
        let pool = (-(x * x * 0.07 + y * y * 0.10)).exp();
        let plaster = 0.90 + 0.2 * fbm2(p.x * 2.2 + self.seed, p.y * 2.2, 3);
        self.wall * ((self.light * (0.85 * pool) + self.fill * 0.5) * plaster)
    }

    /// Colour and gloss of the table top.
    fn top(&self, p: V3) -> (V3, f32) {
        let (s, c) = self.turn.sin_cos();
        let (x, z) = (p.x * c - p.z * s + self.seed, p.x * s + p.z * c);
        match self.table {
            Table::Wood => {
                // Planks run along x, each with its own tone and grain.
                let plank = floor(z / 0.62);
                let own = hash(plank, 3, self.seed as i32);
                let seam = (z / 0.62 - plank as f32 - 0.5).abs();
                let warp = fbm2(x * 0.7 + own * 90.0, z * 5.0, 3);
                let ring = (0.5 + 0.5 * ((z * 9.0 + warp * 14.0 + own * 40.0).sin())).powi(2);
                let fibre = fbm2(x * 5.0, z * 70.0, 2);
                let tone = (0.72 + 0.4 * own) * (1.08 - 0.30 * ring) * (0.75 + 0.5 * fibre);
                (self.wood * (tone * step(0.497, 0.48, seam)), 0.28)
            }
            Table::Checker => {
                let odd = (floor(x / 0.55) + floor(z / 0.55)) & 1 == 1;
                let vein = 0.85 + 0.3 * fbm2(x * 4.0, z * 4.0, 4);
                let tile = if odd { v3(0.62, 0.58, 0.50) } else { self.wood * 0.35 };
                (tile * vein, 0.34)
            }
            Table::Marble => {
                let warp = fbm2(x * 0.9, z * 0.9, 5);
                let vein = 1.0 - ((x * 0.8 + z * 1.1 + 7.0 * warp).sin().abs()).powf(0.35);
                (v3(0.66, 0.65, 0.63).mix(v3(0.20, 0.21, 0.24), 0.8 * vein), 0.30)
            }
        }
    }

    fn light_at(&self, p: V3, n: V3, me: Option<&Thing>) -> V3 {
        let mut open = 0.62 + 0.38 * n.y;
        for t in self.others(me) {
            // Share of the hemisphere that a sphere covers.
            let to = t.at - p;
            let (d2, r2) = (to.dot(to).max(1e-4), (t.radius * 0.93).powi(2));
            if d2 > 25.0 * r2 {
                continue;
            }
            let cover = n.dot(to) / d2.sqrt() * (r2 / d2).min(1.0);
            open *= 1.0 - 0.85 * cover.clamp(0.0, 1.0);
        }
        if me.is_some() {
            // The table hides the lower half of the room near the foot.
            open *= mix(0.45, 1.0, step(0.0, 0.5, p.y));
        }
        self.light * self.sunlit(p, n, me) + self.fill * open
    }

    fn others<'a>(&'a self, me: Option<&'a Thing>) -> impl Iterator<Item = &'a Thing> {
        self.things.iter().filter(move |&t| !me.is_some_and(|m| std::ptr::eq(m, t)))
    }

    /// Window light on a surface, with penumbras that widen with distance.
    fn sunlit(&self, p: V3, n: V3, me: Option<&Thing>) -> f32 {
        // The window is wide, so light reaches a little past the terminator.
        let mut sun = ((n.dot(self.window) + 0.18) / 1.18).max(0.0);
        for t in self.others(me) {
            let oc = p - t.at;
            let b = -oc.dot(self.window);
            if b > 0.0 && sun > 0.0 {
                let r = t.radius * if t.kind == Kind::Pear { 0.72 } else { 0.92 };
                let gap = (oc.dot(oc) - b * b).max(0.0).sqrt() - r;
                let soft = 0.05 + 0.20 * b;
                sun *= step(-0.5 * soft, 0.5 * soft, gap);
            }
        }
        sun
    }
}
