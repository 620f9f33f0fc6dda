//! A report of sets of shards: one page of HTML that needs nothing else.

mod bins;
mod charts;
mod classes;
mod features;
mod findings;
mod gallery;
mod gather;
mod html;
mod images;
mod page;
mod pictures;
mod tally;
mod values;

use serde::Serialize;

use super::survey::Wanted;
use super::validate::{ValidateOptions, survey};
use super::work::Work;
use crate::dataset::ResolvedSets;
use crate::error::{Error, Result};
use crate::image::Limits;
use crate::job::Job;
use gather::Facts;
pub(super) use tally::{Tally, classes};

/// What a report shows.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// How many images of each class are shown, from 1 to 24. Default: 4.
    pub samples: usize,
    /// Whether images are shown at all. Default: yes. Without them their sizes and brightness are told nevertheless.
    pub images: bool,
    /// Decode every image strictly, as [`ValidateOptions::decode`] does. Default: no; structure and headers are checked.
    pub decode: bool,
    /// The feature that holds the encoded image, as in [`ValidateOptions::image`].
    pub image: Option<String>,
    /// The feature that holds the label, a number or a text. Default: `image/class/label`, or else `label`.
    pub label: Option<String>,
    /// The page's title. Default: the name of the folder that the shards lie in, or of the only shard.
    pub title: Option<String>,
    /// What an image may have and take, as in [`ValidateOptions::limits`].
    pub limits: Limits,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions {
            samples: 4,
            images: true,
            decode: false,
            image: None,
            label: None,
            title: None,
            limits: Limits::default(),
        }
    }
}

/// A report, and what it comes to. Serialised, it is what `tfr report --json` tells, less the path.
#[derive(Debug, Clone, Serialize)]
pub struct ReportSummary {
    /// The page, an HTML document.
    #[serde(skip)]
    pub page: String,
    /// Whole records found, as validation counts them.
    pub records: u64,
    /// What validation found: errors and warnings.
    pub findings_total: u64,
    /// The length of the page in bytes.
    pub bytes: u64,
}

/// Groups of equal records that are shown.
const GROUPS: usize = 20;
/// Most images of a class.
const MOST_SAMPLES: usize = 24;

/// Makes a page of what shards hold: sets, features, the balance of classes, sizes and brightness of images, sample
/// images with their boxes, the values of sets without images, what validation finds, and records that hold the same.
///
/// The page is one document without any reference to another: styles, charts and images lie in it, and it works without
/// its script. Every text out of the shards is escaped, and the page's own policy lets nothing else run. Equal shards give
/// equal bytes, whatever the number of threads; of 1,000 classes or a million images it is no larger than some 3 MB.
///
/// Damage becomes findings, and what is whole is counted; an error is what keeps the job from looking. Shards are read
/// once, and then the records whose images are decoded: those shown, and up to 1,000 of each set for their brightness; of
/// sets without images up to 4,000 records for their values.
///
/// Memory: that of [`validate`](super::validate()) with duplicates compared (40 bytes a record); up to 10,000 classes, each
/// with the places of its samples, for every thread; and an image for every thread, of up to 64 million pixels.
///
/// # Errors
/// A usage error where `samples` is out of range; those of [`validate`](super::validate()).
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::ExampleBuilder;
/// use tfrkit::inspect::{ReportOptions, report};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("pets.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// writer.write(&ExampleBuilder::new().int64("label", 1).encode())?;
/// writer.finish()?;
///
/// let sets = resolve(&[path.to_str().unwrap()])?;
/// let report = report(&sets, &ReportOptions::default(), &tfrkit::Job::default())?;
/// assert_eq!((report.records, report.findings_total), (1, 0));
/// std::fs::write(dir.path().join("report.html"), report.page)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn report(sets: &ResolvedSets, options: &ReportOptions, job: &Job<'_>) -> Result<ReportSummary> {
    if !(1..=MOST_SAMPLES).contains(&options.samples) {
        let samples = options.samples;
        return Err(Error::usage(format!("{samples} samples of each class: from 1 to {MOST_SAMPLES} are possible")));
    }
    let validation = ValidateOptions {
        decode: options.decode,
        duplicates: true,
        image: options.image.clone(),
        label: options.label.clone(),
        limits: options.limits,
        ..Default::default()
    };
    let wanted = Wanted { groups: GROUPS, samples: options.samples };
    let survey = survey(sets, &validation, Some(wanted), job)?;
    let facts = Facts::gather(sets, survey);
    let work = Work::new(job, []);
    let plan = gallery::Plan::new(&facts, options);
    let (pictures, values) = pictures::take(&facts, &plan.wishes(&facts), &work)?;
    let page = page::draw(&facts, &plan, &pictures, values.told().as_ref(), options);
    Ok(ReportSummary {
        records: facts.records(),
        findings_total: facts.findings_total(),
        bytes: page.len() as u64,
        page,
    })
}
