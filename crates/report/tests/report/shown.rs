//! What a finished study looks like: JSON, tables, CSV and the figure.

use selffer_report::{export, figure2, summary::Summary, table};

use crate::{record_2014, sample};

fn summary() -> Summary {
    Summary::of(&sample::facts(), sample::study())
}

#[test]
fn the_summary_is_the_documented_json() {
    insta::assert_json_snapshot!(summary());
}

#[test]
fn the_tables_read_well_as_text() {
    let summary = summary();
    let text =
        format!("{}\n{}\n{}", table::networks(&summary), table::means(&summary), table::effects(&summary));
    insta::assert_snapshot!(text);
}

#[test]
fn the_csv_has_one_row_a_network() {
    insta::assert_snapshot!(export::csv::networks(&summary().networks));
}

#[test]
fn the_figure_of_the_demo_is_this_one() {
    insta::assert_snapshot!(figure2::svg(&sample::facts(), &summary()));
}

#[test]
fn the_figure_of_the_2014_record_is_this_one() {
    insta::assert_snapshot!(figure2::svg(&record_2014::facts(), &record_2014::summary()));
}

#[test]
fn a_figure_is_the_same_bytes_each_time() {
    let once = figure2::svg(&sample::facts(), &summary());
    assert_eq!(once, figure2::svg(&sample::facts(), &summary()));
}

#[cfg(feature = "png")]
#[test]
fn a_png_has_the_size_that_was_asked_for_and_the_same_bytes_each_time() {
    let svg = figure2::svg(&sample::facts(), &summary());

    let png = selffer_report::png::png(&svg, 2.0).unwrap();

    // Signature, then the header chunk with width and height.
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 1800);
    assert_eq!(png, selffer_report::png::png(&svg, 2.0).unwrap());
    assert!(selffer_report::png::png(&svg, 1000.0).is_err());
    assert!(selffer_report::png::png("no svg", 1.0).is_err());
}
