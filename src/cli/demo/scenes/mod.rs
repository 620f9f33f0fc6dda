//! Small procedural pictures for demo data sets, rendered from a class and an
//! index alone: the same pair always gives the same picture.

mod film;
mod land;
mod math;
mod moon;
mod still_life;

use film::Film;
use math::Rng;

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Snowy ranges behind a lake or a meadow.
    Mountains,
    /// The sun low over open water.
    OceanSunset,
    /// Fruit and polished balls on a table.
    StillLife,
    /// The cratered moon, the one grayscale class.
    Moon,
}

/// A rendered picture: interleaved 8-bit samples, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    pub height: usize,
    pub width: usize,
    /// 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// `height * width * channels` samples.
    pub pixels: Vec<u8>,
}

impl Class {
    /// Every class, in label order.
    pub const ALL: [Class; 4] = [Class::Mountains, Class::OceanSunset, Class::StillLife, Class::Moon];

    /// A name fit for a directory.
    pub fn name(self) -> &'static str {
        match self {
            Class::Mountains => "mountains",
            Class::OceanSunset => "ocean_sunset",
            Class::StillLife => "still_life",
            Class::Moon => "moon",
        }
    }

    /// Samples a pixel: 1 for the grayscale class, 3 for the others.
    pub fn channels(self) -> usize {
        if self == Class::Moon { 1 } else { 3 }
    }
}

/// Renders picture `index` of a class. The scene depends on `class` and `index`
/// only; the size decides how much of it the frame shows.
pub fn render(class: Class, index: u64, height: usize, width: usize) -> Scene {
    let channels = class.channels();
    if height == 0 || width == 0 {
        return Scene { height, width, channels, pixels: Vec::new() };
    }
    let mut rng = Rng::new(class as u64 + 1, index);
    let mut film = Film::new(height, width);
    match class {
        Class::Mountains => land::mountains(&mut film, &mut rng),
        Class::OceanSunset => land::ocean(&mut film, &mut rng),
        Class::StillLife => still_life::paint(&mut film, &mut rng),
        Class::Moon => moon::paint(&mut film, &mut rng),
    }
    film.develop(channels, &mut rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_the_right_length_and_some_contrast() {
        for class in Class::ALL {
            for (height, width) in [(48, 64), (64, 48), (1, 1), (3, 50), (0, 5)] {
                let scene = render(class, 3, height, width);
                assert_eq!((scene.height, scene.width), (height, width));
                assert_eq!(scene.pixels.len(), height * width * scene.channels);
            }
            let scene = render(class, 0, 48, 64);
            let (low, high) = (scene.pixels.iter().min(), scene.pixels.iter().max());
            assert!(high > low, "{class:?} is flat");
        }
    }

    #[test]
    fn a_picture_depends_on_class_and_index_only() {
        for class in Class::ALL {
            let first = render(class, 5, 40, 56);
            assert_eq!(first, render(class, 5, 40, 56));
            assert_ne!(first.pixels, render(class, 6, 40, 56).pixels);
        }
    }

    #[test]
    fn only_the_moon_is_gray() {
        for class in Class::ALL {
            let gray = class == Class::Moon;
            assert_eq!(render(class, 1, 8, 8).channels, if gray { 1 } else { 3 });
        }
    }

    #[test]
    fn a_horizontal_flip_is_visible() {
        for class in Class::ALL {
            let scene = render(class, 2, 48, 64);
            let row = scene.width * scene.channels;
            let pixel = |y: usize, x: usize| i32::from(scene.pixels[y * row + x * scene.channels]);
            let mut apart = 0;
            for (y, x) in (0..48 * 64).map(|i| (i / 64, i % 64)) {
                apart += (pixel(y, x) - pixel(y, 63 - x)).abs();
            }
            assert!(apart > 4 * 48 * 64, "{class:?} looks mirrored: {apart}");
        }
    }
}
