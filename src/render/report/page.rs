//! The page of `report daily`: one file that needs nothing else.

use super::chart::{Chart, Series};
use super::html::Html;
use super::usage_name;
use crate::domain::alert::Severity;
use crate::domain::currency::Currency;
use crate::domain::forecast::days_until;
use crate::domain::period::Period;
use crate::domain::time::Timestamp;
use crate::ledger::forecast::Forecast;
use crate::ledger::report::daily::{Book, Daily, DayAttempts, RecordedRun, Todo, TopAccount};

/// A cell of a table and the class that aligns it.
type Cell = (&'static str, String);

fn text(text: impl ToString) -> Cell {
    ("text", text.to_string())
}

fn number(number: impl ToString) -> Cell {
    ("number", number.to_string())
}

/// Without its fractions of a second.
fn time(at: Timestamp) -> Cell {
    ("time", moment(at))
}

fn moment(at: Timestamp) -> String {
    let shown = at.to_string();
    format!("{} {}", &shown[..10], shown.get(11..16).unwrap_or_default())
}

pub fn page(daily: &Daily) -> String {
    let mut html = Html::default();
    html.verbatim("<!doctype html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, daily));
        html.element("body", &[], |html| {
            html.element("main", &[], |html| body(html, daily));
        });
    });
    html.verbatim("\n");
    html.finish()
}

fn head(html: &mut Html, daily: &Daily) {
    html.open("meta", &[("charset", "utf-8")]);
    html.open(
        "meta",
        &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
    );
    // Nothing is fetched and nothing is run, whatever the data may say.
    html.open(
        "meta",
        &[
            ("http-equiv", "Content-Security-Policy"),
            ("content", "default-src 'none'; style-src 'unsafe-inline'"),
        ],
    );
    html.leaf("title", &[], &format!("Ledger, {}", daily.day));
    html.element("style", &[], |html| html.verbatim(include_str!("daily.css")));
}

fn body(html: &mut Html, daily: &Daily) {
    html.element("header", &[], |html| {
        html.leaf("h1", &[], &format!("Ledger, {}", daily.day));
        let (class, state) = match daily.worst() {
            None => ("pill", "all well".to_owned()),
            Some(Severity::Warning) => ("pill warning", format!("{} to look at", daily.todo.len())),
            Some(Severity::Critical) => ("pill critical", format!("critical: {} to look at", daily.todo.len())),
        };
        html.leaf("span", &[("class", class)], &state);
        html.leaf("p", &[], &format!("as seen at {} UTC", moment(daily.now)));
    });
    tiles(html, daily);
    section(html, "To look at", |html| todo(html, &daily.todo));
    section(html, "Entries a day", |html| volume(html, daily));
    section(html, "Attempts a day", |html| success(html, daily));
    if daily.books.is_empty() {
        section(html, "Accounts", |html| empty(html, "No entry was ever made."));
    }
    for book in &daily.books {
        html.element("section", &[("class", "book")], |html| {
            html.leaf("h2", &[], book.currency.code().as_str());
            self::book(html, daily, book);
        });
    }
    section(html, "Balances that end within a week", |html| ending(html, daily));
    section(html, "Last runs of the jobs", |html| jobs(html, &daily.jobs));
    html.leaf(
        "footer",
        &[],
        "Days and times are in UTC. Written by ledger report daily.",
    );
}

fn section(html: &mut Html, title: &str, inside: impl FnOnce(&mut Html)) {
    html.element("section", &[], |html| {
        html.leaf("h2", &[], title);
        inside(html);
    });
}

fn empty(html: &mut Html, text: &str) {
    html.leaf("p", &[("class", "empty")], text);
}

/// A table, or what is said where there is nothing to put into it.
fn table(html: &mut Html, headers: &[Cell], rows: &[Vec<Cell>], nothing: &str) {
    if rows.is_empty() {
        return empty(html, nothing);
    }
    html.element("div", &[("class", "wide")], |html| {
        html.element("table", &[], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for (class, name) in headers {
                        html.leaf("th", &[("scope", "col"), ("class", class)], name);
                    }
                });
            });
            html.element("tbody", &[], |html| {
                for row in rows {
                    html.element("tr", &[], |html| row.iter().for_each(|cell| self::cell(html, cell)));
                }
            });
        });
    });
}

fn cell(html: &mut Html, (class, text): &Cell) {
    match *class {
        "code" => html.element("td", &[], |html| html.leaf("code", &[], text)),
        class => html.leaf("td", &[("class", class)], text),
    }
}

fn tiles(html: &mut Html, daily: &Daily) {
    let today = daily.attempts.last().copied().unwrap_or_default();
    let success = today.success_basis_points();
    let tiles = [
        ("Accounts", daily.accounts.to_string()),
        ("Entries", daily.entries.last().copied().unwrap_or(0).to_string()),
        ("Succeeded", success.map_or_else(|| "-".into(), percent)),
        ("Open alerts", daily.open_alerts.to_string()),
        ("Ending soon", daily.forecast.warnings.to_string()),
    ];
    html.element("dl", &[("class", "tiles")], |html| {
        for (name, value) in &tiles {
            html.element("div", &[], |html| {
                html.leaf("dt", &[], name);
                html.leaf("dd", &[], value);
            });
        }
    });
}

fn percent(basis_points: i64) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

fn todo(html: &mut Html, todo: &[Todo]) {
    let row = |todo: &Todo| {
        let severity = match todo.severity {
            Severity::Warning => ("warning-text", "warning".to_owned()),
            Severity::Critical => ("critical-text", "critical".to_owned()),
        };
        vec![severity, text(&todo.what), ("code", todo.next.clone())]
    };
    let rows: Vec<Vec<Cell>> = todo.iter().map(row).collect();
    let headers = [text("Severity"), text("What"), text("Next")];
    table(
        html,
        &headers,
        &rows,
        "Nothing: health, alerts, jobs and the last proof are well.",
    );
}

/// Month and day.
fn labels(daily: &Daily) -> Vec<String> {
    let short = |period: &Period| period.name.get(5..).unwrap_or_default().to_owned();
    daily.days.list.iter().map(short).collect()
}

/// The same figures for those who do not see the chart, or want to copy them.
fn figures(html: &mut Html, headers: &[Cell], rows: &[Vec<Cell>]) {
    html.element("details", &[], |html| {
        html.leaf("summary", &[], "The same as a table");
        table(html, headers, rows, "");
    });
}

fn volume(html: &mut Html, daily: &Daily) {
    let total: i64 = daily.entries.iter().sum();
    if total == 0 {
        return empty(html, "No entry in these 30 days.");
    }
    let chart = Chart {
        title: "Entries a day",
        description: &format!("{total} entries in {} days, one bar a day", daily.entries.len()),
        labels: labels(daily),
        series: vec![Series {
            name: "entries",
            class: "blue",
            values: daily.entries.iter().copied().map(i128::from).collect(),
        }],
        exponent: 0,
    };
    chart.bars(html);
    let days = daily.days.list.iter().zip(&daily.entries);
    let rows: Vec<Vec<Cell>> = days.map(|(day, count)| vec![text(&day.name), number(count)]).collect();
    figures(html, &[text("Day"), number("Entries")], &rows);
}

fn success(html: &mut Html, daily: &Daily) {
    let of = |name, class, value: fn(&DayAttempts) -> i64| Series {
        name,
        class,
        values: daily.attempts.iter().map(|day| i128::from(value(day))).collect(),
    };
    let series = vec![
        of("applied", "green", |day| day.applied),
        of("refused", "amber", |day| day.refused),
        of("failed", "red", |day| day.failed),
    ];
    if series
        .iter()
        .all(|series| series.values.iter().all(|value| *value == 0))
    {
        return empty(html, "No attempt in these 30 days.");
    }
    let chart = Chart {
        title: "Attempts a day",
        description: "How many were applied, refused and failed, one bar a day",
        labels: labels(daily),
        series,
        exponent: 0,
    };
    chart.bars(html);
    let row = |(day, ends): (&Period, &DayAttempts)| {
        let success = ends.success_basis_points().map_or_else(String::new, percent);
        vec![
            text(&day.name),
            number(ends.applied),
            number(ends.refused),
            number(ends.failed),
            number(ends.pending),
            number(success),
        ]
    };
    let rows: Vec<Vec<Cell>> = daily.days.list.iter().zip(&daily.attempts).map(row).collect();
    let headers = [
        text("Day"),
        number("Applied"),
        number("Refused"),
        number("Failed"),
        number("Pending"),
        number("Succeeded"),
    ];
    figures(html, &headers, &rows);
}

fn book(html: &mut Html, daily: &Daily, book: &Book) {
    let currency = &book.currency;
    let show = |units: i128| currency.show_sum(units).to_string();
    let last = book.balances.last().copied().unwrap_or(0);
    html.leaf(
        "h3",
        &[],
        &format!("Balance and held of all accounts: {} at the end of the day", show(last)),
    );
    let chart = Chart {
        title: &format!("Balances in {}", currency.code()),
        description: &format!(
            "Balance and held of all accounts at the end of each day; {} on the last",
            show(last)
        ),
        labels: labels(daily),
        series: vec![Series {
            name: "balance and held",
            class: "blue",
            values: book.balances.clone(),
        }],
        exponent: currency.exponent(),
    };
    chart.line(html);
    let days = daily.days.list.iter().zip(&book.balances);
    let rows: Vec<Vec<Cell>> = days
        .map(|(day, units)| vec![text(&day.name), number(show(*units))])
        .collect();
    figures(html, &[text("Day"), number("Balance and held")], &rows);
    html.element("div", &[("class", "columns")], |html| {
        html.element("div", &[], |html| revenue(html, book, currency));
        html.element("div", &[], |html| usage(html, book, currency));
    });
    html.leaf("h3", &[], "Who spent most on this day");
    let row = |top: &TopAccount| vec![text(&top.user_id), number(top.entries), number(show(top.spent))];
    let rows: Vec<Vec<Cell>> = book.top.iter().map(row).collect();
    table(
        html,
        &[text("User"), number("Entries"), number("Spent")],
        &rows,
        "Nobody spent anything.",
    );
}

fn revenue(html: &mut Html, book: &Book, currency: &Currency) {
    html.leaf("h3", &[], "Revenue by method");
    let rows: Vec<Vec<Cell>> = book
        .revenue
        .iter()
        .map(|line| {
            vec![
                text(line.method.as_deref().unwrap_or_default()),
                number(line.recharges),
                number(currency.show_sum(line.net())),
            ]
        })
        .collect();
    let headers = [text("Method"), number("Recharges"), number("Net")];
    table(html, &headers, &rows, "Nothing came in.");
}

fn usage(html: &mut Html, book: &Book, currency: &Currency) {
    html.leaf("h3", &[], "Usage by service");
    let rows: Vec<Vec<Cell>> = book
        .usage
        .iter()
        .map(|line| {
            vec![
                text(usage_name(line)),
                number(line.charges),
                number(currency.show_sum(line.net())),
            ]
        })
        .collect();
    let headers = [text("Service"), number("Charges"), number("Net")];
    table(html, &headers, &rows, "Nothing was spent.");
}

fn ending(html: &mut Html, daily: &Daily) {
    let forecast = &daily.forecast;
    let row = |forecast: &Forecast| {
        let currency = &forecast.account.currency;
        let at = forecast.empty_at.unwrap_or(daily.now);
        vec![
            text(&forecast.account.user_id),
            number(currency.show_with_code(forecast.balance)),
            number(forecast.burn.per_day(currency.exponent())),
            number(days_until(daily.now, at)),
            time(at),
        ]
    };
    let rows: Vec<Vec<Cell>> = forecast.list.iter().map(row).collect();
    let headers = [
        text("User"),
        number("Balance"),
        number("Spent a day"),
        number("Days left"),
        text("Empty"),
    ];
    table(html, &headers, &rows, "None, as far as the last 30 days tell.");
    let more = forecast.warnings.saturating_sub(rows.len() as u64);
    if more > 0 {
        empty(html, &format!("And {more} more: ledger forecast --warn-within 7d"));
    }
}

fn jobs(html: &mut Html, jobs: &[RecordedRun]) {
    let row = |run: &RecordedRun| {
        let ended = match run.exit_code {
            Some(0) => ("good-text", "done".to_owned()),
            Some(6) => ("critical-text", "exit code 6".to_owned()),
            Some(code) => ("warning-text", format!("exit code {code}")),
            None => ("warning-text", "not ended".to_owned()),
        };
        vec![text(&run.job), time(run.started_at), ended]
    };
    let rows: Vec<Vec<Cell>> = jobs.iter().map(row).collect();
    table(
        html,
        &[text("Job"), text("Started"), text("Ended")],
        &rows,
        "No job has run yet.",
    );
}
