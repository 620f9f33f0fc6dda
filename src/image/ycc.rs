//! YCbCr in libjpeg's 16-bit fixed point.

use super::simd::avx2;

/// A real factor in 16-bit fixed point.
const fn fix(value: f64) -> i32 {
    (value * 65_536.0 + 0.5) as i32
}

pub(super) const HALF: i32 = 1 << 15;
/// What red has of Cr beyond once the value, blue of Cb beyond twice, and green of Cb and of Cr beyond minus once.
pub(super) const RED: i16 = (fix(1.402) - (1 << 16)) as i16;
pub(super) const BLUE: i16 = (fix(1.772) - (2 << 16)) as i16;
pub(super) const GREEN: [i32; 2] = [-fix(0.34414), (1 << 16) - fix(0.71414)];
/// Chroma is stored around 128, and its halves round down.
const CENTRE: i32 = (128 << 16) + HALF - 1;

/// R, G and B to Y, Cb and Cr.
#[inline(always)]
pub(super) fn from_rgb(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(i32::from);
    let luma = fix(0.299) * r + fix(0.587) * g + fix(0.114) * b + HALF;
    let blue = fix(0.5) * b - fix(0.16874) * r - fix(0.33126) * g + CENTRE;
    let red = fix(0.5) * r - fix(0.41869) * g - fix(0.08131) * b + CENTRE;
    [luma, blue, red].map(|v| (v >> 16) as u8)
}

/// Y, Cb and Cr to R, G and B.
///
/// Red and blue are in 16 bits, which is twice as many lanes: the high half of a product with twice the value is the
/// product with one bit to round.
#[inline(always)]
pub(super) fn to_rgb(ycc: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = ycc.map(i16::from);
    let (cb, cr) = (cb - 128, cr - 128);
    let rounded = |value: i16, factor: i16| (((i32::from(2 * value) * i32::from(factor)) >> 16) as i16 + 1) >> 1;
    let red = y + cr + rounded(cr, RED);
    let green = y - cr + ((GREEN[0] * i32::from(cb) + GREEN[1] * i32::from(cr) + HALF) >> 16) as i16;
    let blue = y + 2 * cb + rounded(cb, BLUE);
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

avx2! {
    /// Rows of one channel to one of pixels, as many as the shortest has.
    pub(super) fn interleave(r: &[u8], g: &[u8], b: &[u8], out: &mut [u8]) {
        for (((pixel, &r), &g), &b) in out.as_chunks_mut::<3>().0.iter_mut().zip(r).zip(g).zip(b) {
            // One by one, which the compiler sees through.
            pixel[0] = r;
            pixel[1] = g;
            pixel[2] = b;
        }
    }
}

/// A row of Y, Cb and Cr to rows of R, G and B of the same length.
fn to_planes(y: &[u8], cb: &[u8], cr: &[u8], r: &mut [u8], g: &mut [u8], b: &mut [u8]) {
    for (((((r, g), b), &y), &cb), &cr) in r.iter_mut().zip(g).zip(b).zip(y).zip(cb).zip(cr) {
        [*r, *g, *b] = to_rgb([y, cb, cr]);
    }
}

/// One row of Y, Cb and Cr to RGB.
pub(super) fn row_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], rgb: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked; the function is otherwise safe.
        #[allow(unsafe_code)]
        let done = unsafe { super::ycc_wide::row_to_rgb(y, cb, cr, rgb) };
        // A few pixels, for which filling planes would take longer.
        let rest = y[done..].iter().zip(&cb[done..]).zip(&cr[done..]);
        for (pixel, ((&y, &cb), &cr)) in rgb[3 * done..].as_chunks_mut::<3>().0.iter_mut().zip(rest) {
            *pixel = to_rgb([y, cb, cr]);
        }
        return;
    }
    portable_row(y, cb, cr, rgb);
}

fn portable_row(y: &[u8], cb: &[u8], cr: &[u8], rgb: &mut [u8]) {
    /// Pixels of a part that stays in the cache. Planes first, since in pixels the compiler would not fill its lanes.
    const PART: usize = 256;
    let [mut r, mut g, mut b] = [[0; PART]; 3];
    let parts = rgb.chunks_mut(3 * PART).zip(y.chunks(PART)).zip(cb.chunks(PART)).zip(cr.chunks(PART));
    for (((rgb, y), cb), cr) in parts {
        to_planes(y, cb, cr, &mut r, &mut g, &mut b);
        interleave(&r, &g, &b, rgb);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: 16 fraction bits, rounded.
    #[test]
    fn rgb_is_exact() {
        for (cb, cr) in (0..=255u8).flat_map(|cb| (0..=255u8).map(move |cr| (cb, cr))) {
            let (b, r) = (i32::from(cb) - 128, i32::from(cr) - 128);
            let offsets =
                [fix(1.402) * r, -fix(0.34414) * b - fix(0.71414) * r, fix(1.772) * b].map(|v| (v + HALF) >> 16);
            for y in [0u8, 1, 100, 128, 254, 255] {
                let expected = offsets.map(|v| (i32::from(y) + v).clamp(0, 255) as u8);
                assert_eq!(to_rgb([y, cb, cr]), expected, "{y} {cb} {cr}");
            }
        }
    }

    /// Every chroma, and rows that end in the middle of a group.
    #[test]
    fn rows_are_their_pixels() {
        let values: Vec<[u8; 3]> =
            (0..=255u8).flat_map(|cb| (0..=255u8).map(move |cr| [cb.wrapping_mul(7) ^ cr, cb, cr])).collect();
        for len in [0, 1, 15, 16, 17, 300, values.len()] {
            let plane = |c: usize| values[..len].iter().map(|v| v[c]).collect::<Vec<u8>>();
            let mut rgb = vec![0; 3 * len];
            row_to_rgb(&plane(0), &plane(1), &plane(2), &mut rgb);
            assert!(rgb.as_chunks::<3>().0.iter().zip(&values).all(|(rgb, ycc)| *rgb == to_rgb(*ycc)), "{len}");
        }
    }

    #[test]
    fn gray_and_the_corners() {
        for v in 0..=255 {
            assert_eq!(from_rgb([v; 3]), [v, 128, 128]);
            assert_eq!(to_rgb([v, 128, 128]), [v; 3]);
        }
        assert_eq!(from_rgb([255, 0, 0]), [76, 85, 255]);
        assert_eq!(from_rgb([0, 0, 255]), [29, 255, 107]);
        assert_eq!(to_rgb([76, 85, 255]), [254, 0, 0]);
    }
}
