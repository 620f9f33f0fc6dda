//! Names that say which part of a data set a folder, a file or a set is.

/// What a name says a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Train,
    Validation,
    Test,
    Unlabeled,
}

/// The names of parts, in lower case.
const NAMES: [(&str, Part); 12] = [
    ("train", Part::Train),
    ("training", Part::Train),
    ("val", Part::Validation),
    ("valid", Part::Validation),
    ("validation", Part::Validation),
    ("dev", Part::Validation),
    ("eval", Part::Validation),
    ("evaluation", Part::Validation),
    ("test", Part::Test),
    ("testing", Part::Test),
    ("holdout", Part::Test),
    ("unlabeled", Part::Unlabeled),
];

/// The part that a name stands for, in capitals or not.
pub(crate) fn part_named(name: &str) -> Option<Part> {
    NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, part)| *part)
}

/// The part that a set is by its name, which may say more: `train2017`. A set without a name is for training, one of another name for validation.
pub(crate) fn part_of_set(name: Option<&str>) -> Part {
    let Some(name) = name else { return Part::Train };
    let lower = name.to_ascii_lowercase();
    part_named(name).unwrap_or(match () {
        () if lower.starts_with("train") => Part::Train,
        () if lower.starts_with("test") => Part::Test,
        () => Part::Validation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        assert_eq!(part_named("Train"), Some(Part::Train));
        assert_eq!(part_named("EVAL"), Some(Part::Validation));
        assert_eq!(part_named("train2017"), None);
        assert_eq!(part_of_set(Some("train2017")), Part::Train);
        assert_eq!(part_of_set(Some("holdout")), Part::Test);
        assert_eq!(part_of_set(Some("more")), Part::Validation);
        assert_eq!(part_of_set(None), Part::Train);
    }
}
