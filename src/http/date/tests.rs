use super::*;

const NOW: HttpDate = HttpDate(1_795_375_260); // 2026-11-22T19:21:00Z

fn parse(text: &str) -> Option<i64> {
    HttpDate::parse(text.as_bytes(), NOW).map(HttpDate::unix)
}

#[test]
fn written_in_three_forms() {
    for (seconds, fixdate, log, rfc3339) in [
        (
            0,
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "01/Jan/1970:00:00:00 +0000",
            "1970-01-01T00:00:00Z",
        ),
        (
            NOW.0,
            "Sun, 22 Nov 2026 19:21:00 GMT",
            "22/Nov/2026:19:21:00 +0000",
            "2026-11-22T19:21:00Z",
        ),
        (
            951_827_696,
            "Tue, 29 Feb 2000 12:34:56 GMT",
            "29/Feb/2000:12:34:56 +0000",
            "2000-02-29T12:34:56Z",
        ),
        (
            -1,
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "31/Dec/1969:23:59:59 +0000",
            "1969-12-31T23:59:59Z",
        ),
        (
            i64::MIN,
            "Sat, 01 Jan 0000 00:00:00 GMT",
            "01/Jan/0000:00:00:00 +0000",
            "0000-01-01T00:00:00Z",
        ),
        (
            i64::MAX,
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "31/Dec/9999:23:59:59 +0000",
            "9999-12-31T23:59:59Z",
        ),
    ] {
        let date = HttpDate::from_unix(seconds);
        assert_eq!(date.to_string(), fixdate);
        assert_eq!(date.common_log().to_string(), log);
        assert_eq!(date.rfc3339().to_string(), rfc3339);
    }
}

#[test]
fn read_in_three_forms() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",
    ] {
        assert_eq!(parse(text), Some(784_111_777), "{text}");
    }
    assert_eq!(parse("Wed Nov 16 08:49:37 1994"), Some(784_975_777));
    assert_eq!(
        parse("Sat, 31 Dec 2016 23:59:60 GMT"),
        parse("Sun, 01 Jan 2017 00:00:00 GMT")
    );
}

#[test]
fn two_digit_years_lie_within_fifty_years_ahead() {
    for (now, text, year) in [
        ("2026-11-22T19:21:00Z", "22-Nov-76 19:21:00", "2076"),
        ("2026-11-22T19:21:00Z", "22-Nov-76 19:21:01", "1976"),
        ("2026-11-22T19:21:00Z", "01-Jan-77 00:00:00", "1977"),
        ("2026-11-22T19:21:00Z", "29-Feb-00 00:00:00", "2000"),
        ("2026-11-22T19:21:00Z", "22-Nov-26 19:21:00", "2026"),
        ("2099-01-01T00:00:00Z", "01-Jan-01 00:00:00", "2101"),
        ("1970-01-01T00:00:00Z", "01-Jan-99 00:00:00", "1999"),
    ] {
        let (date, clock) = now.trim_end_matches('Z').split_once('T').unwrap();
        let part = |text: &str, index, by| text.split(by).nth(index).unwrap().parse().unwrap();
        let now = Civil {
            year: part(date, 0, '-'),
            month: part(date, 1, '-'),
            day: part(date, 2, '-'),
            hour: part(clock, 0, ':'),
            minute: part(clock, 1, ':'),
            second: part(clock, 2, ':'),
        };
        let text = format!("Monday, {text} GMT");
        let read = HttpDate::parse(text.as_bytes(), now.date().unwrap()).unwrap();
        assert_eq!(&read.rfc3339().to_string()[..4], year, "{text}");
    }
}

#[test]
fn refused() {
    for text in [
        "",
        "Sun",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Tuesday, 29-Feb-01 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov 6 08:49:37 1994",
        "Sunday Nov  6 08:49:37 1994",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn written_and_read_again_over_ten_thousand_years() {
    // The step is a prime of about half a year: days, months and times of day all differ.
    for seconds in (FIRST..=LAST).step_by(15_485_863) {
        let text = HttpDate(seconds).to_string();
        assert_eq!(parse(&text), Some(seconds), "{text}");
        // The weekday is the right one: it repeats after a week and differs a day later.
        assert_eq!(
            HttpDate(seconds).weekday(),
            HttpDate(seconds - 7 * DAY).weekday(),
            "{text}"
        );
    }
}

#[test]
fn every_prefix_is_refused_and_every_changed_byte_survived() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ] {
        for length in 0..text.len() {
            assert_eq!(parse(&text[..length]), None);
            for byte in 0..=255 {
                let mut changed = text.as_bytes().to_vec();
                changed[length] = byte;
                if let Some(date) = HttpDate::parse(&changed, NOW) {
                    assert_eq!(parse(&date.to_string()), Some(date.unix()));
                }
            }
        }
    }
}

#[test]
fn a_time_near_the_epoch_is_none() {
    for (seconds, expected) in [
        (0, true),
        (1, true),
        (-86_400, true),
        (86_400, true),
        (86_401, false),
        (-86_401, false),
        (1_445_412_480, false),
        (i64::MIN, false),
    ] {
        assert_eq!(
            HttpDate::from_unix(seconds).is_unset(),
            expected,
            "{seconds}"
        );
    }
}

#[test]
fn the_text_of_the_last_date_is_that_of_the_date_asked_for() {
    let mut last = LastDate::default();
    for seconds in [0, 784_111_777, 784_111_777, 784_111_778, 0] {
        let date = HttpDate::from_unix(seconds);
        assert_eq!(last.text(date), date.text());
    }
}
