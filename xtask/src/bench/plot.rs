//! A figure drawn: for each number that comes first, a bar for each server with the spread of its
//! rounds.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::outcome::Outcome;
use super::report::number;

const PANEL: (u32, u32) = (360, 300);
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
];
/// Half of a bar's width, where servers stand one apart.
const HALF: f64 = 0.35;
/// Room above the highest bar, where the legend stands.
const HEADROOM: f64 = 1.4;

pub(super) fn draw(outcome: &Outcome, file: &Path) -> Result<()> {
    let count = outcome.headline.len().max(1);
    let width = PANEL.0 * u32::try_from(count)?;
    let area = SVGBackend::new(file, (width, PANEL.1)).into_drawing_area();
    let draw = || -> std::result::Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        for (panel, metric) in area.split_evenly((1, count)).iter().zip(&outcome.headline) {
            draw_panel(outcome, metric, panel)?;
        }
        area.present()?;
        Ok(())
    };
    // The library's errors borrow what they speak of.
    draw().map_err(|error| anyhow!("draw {}: {error}", outcome.name))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel(
    outcome: &Outcome,
    metric: &str,
    area: &Area<'_>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let servers = outcome.servers();
    let bars: Vec<_> = servers
        .iter()
        .filter_map(|server| Some((*server, outcome.spread(server, metric)?)))
        .collect();
    let top = bars
        .iter()
        .map(|(_, spread)| spread.max)
        .fold(0.0, f64::max);
    let top = if top > 0.0 { top * HEADROOM } else { 1.0 };
    let ends = f64::from(u32::try_from(bars.len())?) - 0.5;
    let mut chart = ChartBuilder::on(area)
        .caption(metric.replace('_', " "), ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(8)
        .y_label_area_size(70)
        .build_cartesian_2d(-0.5..ends, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_labels(6)
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    for (index, (server, spread)) in bars.iter().enumerate() {
        let at = f64::from(u32::try_from(index)?);
        let colour = COLOURS.get(index).copied().unwrap_or(BLACK);
        let corners = [(at - HALF, 0.0), (at + HALF, spread.median)];
        chart
            .draw_series([Rectangle::new(corners, colour.mix(0.8).filled())])?
            .label(*server)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
        let whisker = vec![(at, spread.min), (at, spread.max)];
        chart.draw_series([PathElement::new(whisker, BLACK.stroke_width(2))])?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}
