//! Names that somebody may have meant.

/// A name that is no further than this many edits away may have been meant.
const NEAR: usize = 3;

/// Names listed at most.
const LISTED: usize = 24;

/// Whether `name` may be `known` misspelt.
pub(crate) fn is_near(name: &str, known: &str) -> bool {
    strsim::osa_distance(name, known) <= NEAR.min(known.len() / 3)
}

/// The name among `known` that `name` may stand for: in another case, with or without a path, or misspelt.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let rank = |known: &str| {
        let known = known.to_lowercase();
        if last(&known) == last(&name) {
            return Some(usize::from(known != name));
        }
        let forms = [&*known, &*last(&known)].map(|form| (is_near(&name, form), strsim::osa_distance(&name, form)));
        let near = forms.into_iter().filter(|(is_near, _)| *is_near).map(|(_, edits)| 1 + edits).min();
        near.or_else(|| (name.len() > 2 && known.contains(&*name)).then_some(NEAR + 2))
    };
    known.into_iter().filter_map(|known| Some((rank(known)?, known))).min().map(|(_, known)| known)
}

/// `did you mean 'x'?`, where a name is near, and the names there are.
pub(crate) fn meant_or_listed<'k>(name: &str, what: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    let meant = nearest(name, known.clone()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    let mut names = known.into_iter();
    let listed = names.by_ref().take(LISTED).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 if listed.is_empty() => format!("there are no {what}"),
        0 => format!("{meant}the {what} are: {listed}"),
        more => format!("{meant}the {what} are: {listed}, and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_found() {
        let known = ["image/class/label", "image/class/text", "image/height", "image/width", "Speaker"];
        for (name, expected) in [
            ("labl", Some("image/class/label")),
            ("height", Some("image/height")),
            ("image/heigth", Some("image/height")),
            ("speaker", Some("Speaker")),
            ("x/width", Some("image/width")),
            ("class", Some("image/class/label")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(meant_or_listed("b", "features", ["aa", "cc"]), "the features are: aa, cc");
        assert_eq!(meant_or_listed("b", "classes", []), "there are no classes");
        let many: Vec<String> = (0..30).map(|i| format!("n{i:02}")).collect();
        let told = meant_or_listed("n003", "features", many.iter().map(String::as_str));
        assert!(
            told.starts_with("did you mean 'n00'? the features are: n00, ") && told.ends_with(", and 6 more"),
            "{told}"
        );
    }
}
