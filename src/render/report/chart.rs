//! Small charts as inline SVG: bars that stand upon each other, and a line. Whole numbers only.

use super::html::Html;

/// The figures of one colour, one per label.
pub struct Series {
    pub name: &'static str,
    /// Of the style sheet, which gives it its colour.
    pub class: &'static str,
    pub values: Vec<i128>,
}

pub struct Chart<'a> {
    /// For those who hear the page.
    pub title: &'a str,
    pub description: &'a str,
    /// One per place on the axis, short.
    pub labels: Vec<String>,
    pub series: Vec<Series>,
    /// How many of its digits a value has behind the point.
    pub exponent: u8,
}

const WIDTH: i128 = 720;
const HEIGHT: i128 = 200;
/// What is left of the drawing for the axes.
const LEFT: i128 = 12;
const RIGHT: i128 = 52;
const TOP: i128 = 12;
const BOTTOM: i128 = 26;
const INNER_WIDTH: i128 = WIDTH - LEFT - RIGHT;
const INNER_HEIGHT: i128 = HEIGHT - TOP - BOTTOM;
/// Every so many places a label, so that none touches the next.
const LABEL_EVERY: usize = 5;

impl Chart<'_> {
    /// Series upon each other.
    pub fn bars(&self, html: &mut Html) {
        let top = ceiling(self.stacks().max().unwrap_or(0));
        self.draw(html, top, |html| {
            let width = (self.slot() * 7 / 10).max(1);
            for place in 0..self.labels.len() {
                let x = self.left_of(place) + (self.slot() - width) / 2;
                let mut below = 0;
                for series in &self.series {
                    let value = series.values[place].max(0);
                    let (from, to) = (height(below, top), height(below + value, top));
                    below += value;
                    if to > from {
                        let attributes = [x, TOP + INNER_HEIGHT - to, width, to - from].map(|n| n.to_string());
                        let [x, y, width, height] = &attributes;
                        html.leaf(
                            "rect",
                            &[
                                ("class", series.class),
                                ("x", x),
                                ("y", y),
                                ("width", width),
                                ("height", height),
                            ],
                            "",
                        );
                    }
                }
            }
        });
    }

    /// The first series as a line over what is below it.
    pub fn line(&self, html: &mut Html) {
        let Some(series) = self.series.first() else { return };
        let top = ceiling(series.values.iter().copied().max().unwrap_or(0));
        self.draw(html, top, |html| {
            let point = |(place, value): (usize, &i128)| {
                let x = self.left_of(place) + self.slot() / 2;
                format!("{x},{}", TOP + INNER_HEIGHT - height((*value).max(0), top))
            };
            let points: Vec<String> = series.values.iter().enumerate().map(point).collect();
            let floor = TOP + INNER_HEIGHT;
            let first = self.left_of(0) + self.slot() / 2;
            let last = self.left_of(points.len().saturating_sub(1)) + self.slot() / 2;
            let line = points.join(" ");
            let area = format!("{first},{floor} {line} {last},{floor}");
            html.leaf("polygon", &[("class", "area"), ("points", &area)], "");
            html.leaf("polyline", &[("class", "line"), ("points", &line)], "");
        });
    }

    fn stacks(&self) -> impl Iterator<Item = i128> {
        let at = |place: usize| self.series.iter().map(|series| series.values[place].max(0)).sum();
        (0..self.labels.len()).map(at)
    }

    /// The width of one place.
    fn slot(&self) -> i128 {
        INNER_WIDTH / i128::try_from(self.labels.len().max(1)).unwrap_or(1)
    }

    /// Where a place begins; the last one ends at the axis.
    fn left_of(&self, place: usize) -> i128 {
        let following = i128::try_from(self.labels.len() - place).unwrap_or(0);
        WIDTH - RIGHT - self.slot() * following
    }

    /// Axes with their labels, and the figures on them.
    fn draw(&self, html: &mut Html, top: i128, figures: impl FnOnce(&mut Html)) {
        let view = format!("0 0 {WIDTH} {HEIGHT}");
        let drawing = [("viewBox", view.as_str()), ("role", "img"), ("aria-label", self.title)];
        html.element("div", &[("class", "chart")], |html| {
            html.element("svg", &drawing, |html| {
                html.leaf("title", &[], self.title);
                html.leaf("desc", &[], self.description);
                for part in 0..=2 {
                    self.grid_line(html, top * part / 2, top);
                }
                figures(html);
                let last = self.labels.len().saturating_sub(1);
                for (place, label) in self.labels.iter().enumerate() {
                    if (last - place).is_multiple_of(LABEL_EVERY) {
                        let x = (self.left_of(place) + self.slot() / 2).to_string();
                        let y = (HEIGHT - 8).to_string();
                        html.leaf("text", &[("x", &x), ("y", &y), ("text-anchor", "middle")], label);
                    }
                }
            });
        });
        if self.series.len() > 1 {
            html.element("p", &[("class", "legend")], |html| {
                for series in &self.series {
                    html.element("span", &[], |html| {
                        html.leaf("i", &[("class", series.class)], "");
                        html.text(series.name);
                    });
                }
            });
        }
    }

    /// Its label stands on the right, beside the newest figures.
    fn grid_line(&self, html: &mut Html, value: i128, top: i128) {
        let y = TOP + INNER_HEIGHT - height(value, top);
        let at = [LEFT, WIDTH - RIGHT, y, WIDTH - RIGHT + 8, y + 4].map(|n| n.to_string());
        let [from, to, y, text_x, text_y] = &at;
        html.leaf(
            "line",
            &[("class", "grid"), ("x1", from), ("x2", to), ("y1", y), ("y2", y)],
            "",
        );
        let label = short(value, self.exponent);
        html.leaf(
            "text",
            &[("x", text_x), ("y", text_y), ("text-anchor", "start")],
            &label,
        );
    }
}

/// How high a value stands in a drawing that ends at `top`.
fn height(value: i128, top: i128) -> i128 {
    value.saturating_mul(INNER_HEIGHT).checked_div(top).unwrap_or(0)
}

/// An even number of the form 2, 4, 10, 20, 40 ... that is not less than any value, so that its half is whole.
fn ceiling(value: i128) -> i128 {
    let mut unit: i128 = 1;
    loop {
        for times in [2, 4, 10] {
            let top = unit.saturating_mul(times);
            if top >= value || top == i128::MAX {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// A value in few characters: `950`, `1.5k`, `20M`.
fn short(value: i128, exponent: u8) -> String {
    const UNITS: [(u32, &str); 7] = [(18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k"), (0, "")];
    let exponent = u32::from(exponent);
    let unit = UNITS.iter().find(|(power, _)| value >= 10_i128.pow(power + exponent));
    match unit {
        Some((power, name)) => {
            let tenths = value.saturating_mul(10) / 10_i128.pow(power + exponent);
            match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole}{name}"),
                (whole, tenth) => format!("{whole}.{tenth}{name}"),
            }
        }
        None if value <= 0 => "0".into(),
        None => crate::domain::money::Shown::wide(value, u8::try_from(exponent).unwrap_or(0)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_and_say_them_shortly() {
        for (value, top) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (5, 10),
            (11, 20),
            (401, 1000),
            (1000, 1000),
            (1001, 2000),
        ] {
            assert_eq!(ceiling(value), top, "{value}");
        }
        for (value, exponent, text) in [
            (0, 2, "0"),
            (5, 2, "0.05"),
            (95_000, 2, "950"),
            (150_000, 2, "1.5k"),
            (20_000_000, 0, "20M"),
            (1_000_000_000_000_000_000_000, 2, "10E"),
        ] {
            assert_eq!(short(value, exponent), text);
        }
        assert!(ceiling(i128::MAX) > 0);
        assert_eq!(height(i128::MAX, i128::MAX) / INNER_HEIGHT, 0);
    }
}
