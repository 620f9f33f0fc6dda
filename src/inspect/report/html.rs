//! Text, numbers and bytes as they stand in a page.

use std::fmt;

/// Writes into a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($out, $($arg)*);
    }};
}
pub(super) use put;

/// Text as it may stand between tags and in quoted attributes, whoever wrote it. What would not be seen, or would turn
/// around what stands beside it, is shown as a replacement character.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\n' | '\t' => f.write_str(" "),
            c if c.is_control() => f.write_str("\u{fffd}"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_str("\u{fffd}"),
            c => fmt::Write::write_char(f, c),
        })
    }
}

/// A number with its thousands apart: `12,345`.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                f.write_str(",")?;
            }
            fmt::Write::write_char(f, digit)?;
        }
        Ok(())
    }
}

/// `1 record`, `2,000 records`, `2 classes`.
pub(super) struct Counted(pub(super) u64, pub(super) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = match self.0 {
            1 => "",
            _ if self.1.ends_with(['s', 'x']) => "es",
            _ => "s",
        };
        write!(f, "{} {}{ending}", Count(self.0), self.1)
    }
}

/// A number of bytes: `1.4 MiB`.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let (mut value, mut unit) = (n as f64 / 1024.0, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number in a few digits.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        // No minus before a nought.
        0.0 => "0".to_owned(),
        size if value == value.trunc() && size < 1e6 => match value < 0.0 {
            true => format!("-{}", Count(size as u64)),
            false => Count(size as u64).to_string(),
        },
        size if (1000.0..1e6).contains(&size) => number(value.round()),
        size if (0.001..1000.0).contains(&size) => {
            let digits = (3.0 - libm::floor(libm::log10(size))).clamp(0.0, 6.0) as usize;
            let text = format!("{value:.digits$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
        }
        _ => format!("{value:.2e}"),
    }
}

/// A part of a whole, in per cent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match part as f64 * 100.0 / whole.max(1) as f64 {
        _ if part == 0 => "0 %".to_owned(),
        share if share < 0.1 => "&lt; 0.1 %".to_owned(),
        share if share < 9.95 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        let text = Text("<script>\"a\"&'b'</script>\n\0\u{202e}ü");
        assert_eq!(text.to_string(), "&lt;script&gt;&quot;a&quot;&amp;&#39;b&#39;&lt;/script&gt; \u{fffd}\u{fffd}ü");
    }

    #[test]
    fn numbers_for_people() {
        let counts = [0, 999, 1000, 1_234_567].map(|n| Count(n).to_string());
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([Counted(1, "class"), Counted(2000, "class")].map(|c| c.to_string()), ["1 class", "2,000 classes"]);
        assert_eq!(
            [(1, 3), (0, 3), (1, 10_000), (3, 3)].map(|(a, b)| percent(a, b)),
            ["33 %", "0 %", "&lt; 0.1 %", "100 %"]
        );
        let numbers = [0.0, -0.0, -12_345.0, 0.25, 1.23456, -0.001_234_9, 3.0e9, 26_018.4].map(number);
        assert_eq!(numbers, ["0", "0", "-12,345", "0.25", "1.235", "-0.001235", "3.00e9", "26,018"]);
        assert_eq!([0, 1023, 1_500_000].map(bytes), ["0 B", "1023 B", "1.4 MiB"]);
    }
}
