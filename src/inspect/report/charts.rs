//! Charts as SVG. Their colours are the page's, by the classes of its style sheet.

use super::bins::Grid;
use super::html::{Count, Counted, Text, put};

/// A chart's size, in units that are pixels where there is room.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 236.0;
/// The room for what is plotted.
const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 46.0;
/// Cells of a plane, across and down.
const CELLS: (usize, usize) = (30, 18);
/// How many shades of its colour a plane has.
const SHADES: f64 = 5.0;

/// A chart in its frame: a heading, the drawing, and what it shows in words.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
    /// What it shows in words; HTML.
    pub(super) caption: &'a str,
}

/// A bar, and what it stands for: `32 to 64 KiB`.
pub(super) struct Bar {
    pub(super) count: u64,
    pub(super) name: String,
}

/// A mark on an axis: where, from 0 to 1, and what.
pub(super) type Tick = (f64, String);

impl Chart<'_> {
    /// Bars of equal width next to each other.
    pub(super) fn histogram(&self, out: &mut String, bars: &[Bar], x_ticks: &[Tick]) {
        let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
        let (top, ticks) = count_ticks(most);
        self.frame(out, |out| {
            self.axes(out, x_ticks, &ticks);
            let width = (RIGHT - LEFT) / bars.len().max(1) as f64;
            for (bar, i) in bars.iter().zip(0u32..).filter(|(bar, _)| bar.count > 0) {
                // What is there is seen, however little it is.
                let height = ((BOTTOM - TOP) * bar.count as f64 / top as f64).max(1.5);
                let (x, gap) = (LEFT + width * f64::from(i), (width * 0.12).min(2.0));
                put!(
                    out,
                    "<rect class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {}</title></rect>",
                    x + gap / 2.0,
                    BOTTOM - height,
                    width - gap,
                    Text(&bar.name),
                    Count(bar.count),
                );
            }
        });
    }

    /// Pairs of lengths on a plane of cells, the same scale on both axes.
    pub(super) fn plane(&self, out: &mut String, grid: &Grid) {
        let scale = Scale::over(grid.points().flat_map(|(x, y, _)| [x, y]));
        let mut cells = vec![0u64; CELLS.0 * CELLS.1];
        let cell = |v: f64, cells: usize| ((scale.place(v) * cells as f64) as usize).min(cells - 1);
        for (x, y, count) in grid.points() {
            cells[cell(y, CELLS.1) * CELLS.0 + cell(x, CELLS.0)] += count;
        }
        let most = cells.iter().copied().max().unwrap_or(0);
        let ticks = scale.ticks();
        self.frame(out, |out| {
            self.axes(out, &ticks, &ticks);
            put!(out, "<line class=\"guide\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{TOP}\"/>");
            let (width, height) = ((RIGHT - LEFT) / CELLS.0 as f64, (BOTTOM - TOP) / CELLS.1 as f64);
            for (i, &count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
                let (x, y) = ((i % CELLS.0) as f64, (i / CELLS.0) as f64);
                put!(
                    out,
                    "<rect class=\"mark\" fill-opacity=\"{:.2}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1.5\"><title>{}</title></rect>",
                    shade(count, most),
                    LEFT + x * width + 0.5,
                    BOTTOM - (y + 1.0) * height + 0.5,
                    width - 1.0,
                    height - 1.0,
                    Counted(count, "image"),
                );
            }
        });
    }

    fn frame(&self, out: &mut String, draw: impl FnOnce(&mut String)) {
        put!(out, "<figure class=\"chart\"><h3>{}</h3>", self.title);
        put!(out, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", self.title);
        draw(out);
        put!(out, "</svg><figcaption>{}</figcaption></figure>", self.caption);
    }

    fn axes(&self, out: &mut String, x_ticks: &[Tick], y_ticks: &[Tick]) {
        for (at, name) in y_ticks {
            let y = BOTTOM - (BOTTOM - TOP) * at;
            put!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>");
            put!(
                out,
                "<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{name}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        put!(out, "<line class=\"base\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{BOTTOM}\"/>");
        for (at, name) in x_ticks {
            let x = LEFT + (RIGHT - LEFT) * at;
            put!(out, "<line class=\"base\" x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{}\"/>", BOTTOM + 4.0);
            // The last name would reach over the edge.
            let anchor = if *at > 0.95 { "end" } else { "middle" };
            let shift = if *at > 0.95 { 8.0 } else { 0.0 };
            put!(
                out,
                "<text class=\"tick\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{}\">{name}</text>",
                x + shift,
                BOTTOM + 18.0
            );
        }
        let (x, y) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        put!(
            out,
            "<text class=\"axis\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{}</text>",
            HEIGHT - 8.0,
            self.x_title
        );
        put!(
            out,
            "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(12 {y}) rotate(-90)\">{}</text>",
            self.y_title
        );
    }
}

/// How much of the colour a cell has: by the logarithm of its count, so that rare sizes are seen.
fn shade(count: u64, most: u64) -> f64 {
    let part = libm::log2(count as f64 + 1.0) / libm::log2(most as f64 + 1.0);
    0.25 + 0.75 * (libm::ceil(part * SHADES) - 1.0).max(0.0) / (SHADES - 1.0)
}

/// The top of an axis of counts up to `most`, and its marks.
fn count_ticks(most: u64) -> (u64, Vec<Tick>) {
    let step = (0..).map(|i| [1, 2, 5][i % 3] * 10u64.saturating_pow(i as u32 / 3));
    let step = step.into_iter().find(|step| most.div_ceil(*step) <= 5).unwrap_or(1);
    let steps = most.div_ceil(step).max(1);
    let top = steps * step;
    let name = |n: u64| match n {
        0..100_000 => Count(n).to_string(),
        100_000..10_000_000 => format!("{}k", Count(n / 1000)),
        _ => format!("{}M", Count(n / 1_000_000)),
    };
    (top, (0..=steps).map(|i| (i as f64 / steps as f64, name(i * step))).collect())
}

/// A scale of lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// From one length to another, in steps.
    Linear { low: f64, high: f64, step: f64 },
    /// From one power of two to another.
    Log { low: i32, high: i32 },
}

impl Scale {
    /// Over lengths that are above 0; in doublings where they are far apart.
    fn over(lengths: impl Iterator<Item = f64>) -> Self {
        let (min, max) = lengths.fold((f64::INFINITY, 1.0f64), |(a, b), v| (a.min(v), b.max(v)));
        let min = min.clamp(1.0, max);
        if max / min >= 4.0 {
            let (low, high) = (libm::floor(libm::log2(min)) as i32, libm::ceil(libm::log2(max)) as i32);
            return Scale::Log { low, high: high.max(low + 1) };
        }
        let step = (0..)
            .map(|i| f64::from([1, 2, 5][i % 3]) * libm::pow(10.0, (i / 3) as f64))
            .find(|step| (max * 1.02 - min * 0.98) / step <= 5.0)
            .unwrap_or(1.0);
        let low = libm::floor(min * 0.98 / step) * step;
        let high = libm::ceil(max * 1.02 / step) * step;
        Scale::Linear { low, high: high.max(low + step), step }
    }

    /// Where a length lies, from 0 to 1.
    fn place(self, length: f64) -> f64 {
        let place = match self {
            Scale::Linear { low, high, .. } => (length - low) / (high - low),
            Scale::Log { low, high } => (libm::log2(length.max(1.0)) - f64::from(low)) / f64::from(high - low),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(self) -> Vec<Tick> {
        let mark = |length: f64| (self.place(length), Count(length as u64).to_string());
        match self {
            Scale::Linear { low, high, step } => {
                let steps = libm::round((high - low) / step) as u32;
                (0..=steps).map(|i| mark(low + step * f64::from(i))).collect()
            }
            Scale::Log { low, high } => {
                let every = ((high - low) as usize).div_ceil(6).max(1);
                (low..=high).step_by(every).map(|power| mark(libm::exp2(f64::from(power)))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_counts_end_above_the_largest() {
        for most in [0, 1, 3, 7, 99, 100, 101, 12_345, 3_000_000] {
            let (top, ticks) = count_ticks(most);
            assert!(top >= most.max(1) && ticks.len() <= 6 && ticks.len() >= 2, "{most}: {ticks:?}");
            assert_eq!((ticks[0].0, ticks.last().unwrap().0), (0.0, 1.0));
        }
        let names = |most| count_ticks(most).1.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(names(9), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(names(350_000), ["0", "100k", "200k", "300k", "400k"]);
    }

    #[test]
    fn scales_hold_what_they_are_made_over() {
        for lengths in [vec![28.0], vec![300.0, 500.0], vec![16.0, 4000.0], vec![1.0, 65_535.0], vec![]] {
            let scale = Scale::over(lengths.iter().copied());
            let ticks = scale.ticks();
            assert!((2..=8).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.is_sorted_by(|a, b| a.0 < b.0) && ticks[0].0 == 0.0, "{ticks:?}");
            assert!(lengths.iter().all(|l| (0.0..1.0).contains(&scale.place(*l))), "{lengths:?} on {scale:?}");
        }
        assert_eq!(Scale::over([300.0, 500.0].into_iter()), Scale::Linear { low: 250.0, high: 550.0, step: 50.0 });
    }

    #[test]
    fn every_image_is_in_a_cell_and_the_fullest_has_the_full_colour() {
        assert_eq!((shade(1, 1), shade(1000, 1000)), (1.0, 1.0));
        assert!(shade(1, 1000) < 0.3 && shade(30, 1000) > shade(3, 1000));
        let mut grid = Grid::default();
        (0..10).for_each(|i| grid.add(100 + i * 37, 400));
        let mut out = String::new();
        Chart { title: "t", x_title: "x", y_title: "y", caption: "c" }.plane(&mut out, &grid);
        let counts = out.split("<title>").skip(1).map(|s| s.split(' ').next().unwrap().parse::<u64>().unwrap());
        assert_eq!(counts.sum::<u64>(), 10);
    }
}
