//! When memory that is kept from image to image is more than the images need.

/// Images that are looked at together.
const WINDOW: u32 = 64;
/// Less than this is kept whatever the images need.
const LEAST: usize = 4 << 20;

/// Follows how large images are, so that one outlier does not hold its memory for the rest of a run.
#[derive(Debug, Default)]
pub(super) struct HighWater {
    /// The size that memory is kept for.
    kept: usize,
    /// The largest of the images that are looked at together, and their number.
    recent: usize,
    seen: u32,
}

impl HighWater {
    /// Takes the size of an image, in bytes; whether what is kept is to be given back, as the last images have needed less than
    /// a quarter of it.
    pub(super) fn falls(&mut self, bytes: usize) -> bool {
        (self.kept, self.recent, self.seen) = (self.kept.max(bytes), self.recent.max(bytes), self.seen + 1);
        if self.seen < WINDOW {
            return false;
        }
        let falls = self.kept > LEAST && self.recent < self.kept / 4;
        if falls {
            self.kept = self.recent;
        }
        (self.recent, self.seen) = (0, 0);
        falls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_let_go_once_and_large_images_are_not() {
        let mut water = HighWater::default();
        let mut falls = |bytes: usize, images: u32| (0..images).filter(|_| water.falls(bytes)).count();
        assert_eq!((falls(100 << 20, 1), falls(1 << 20, WINDOW - 1)), (0, 0), "the outlier is among them");
        assert_eq!((falls(1 << 20, WINDOW), falls(1 << 20, 10 * WINDOW)), (1, 0));
        assert_eq!(falls(100 << 20, 10 * WINDOW), 0);
        assert_eq!(falls(30 << 20, 10 * WINDOW), 0, "not so much less");
        assert_eq!(falls(20 << 20, 10 * WINDOW), 1);
    }
}
