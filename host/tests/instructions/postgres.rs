//! Postgres: the article's rows as `COPY` takes them.

use pelton::connect::postgres::Encoder;
use pelton::record::Output;
use pelton::spec::Target;
use pelton_testkit::skip::test_name;

use crate::count::hold;
use crate::{article, readings};

const RECORDS: usize = 1000;

#[test]
fn copy() {
    hold(test_name!(), RECORDS, &[], || {
        let encoder = Encoder::new(&Target::Table(article::table()));
        let outputs = article::outcome(&readings::batch(RECORDS)).outputs;
        let rows = outputs.into_iter().find_map(|output| match output {
            Output::Rows { rows, .. } => Some(rows),
            _ => None,
        });
        let rows = rows.unwrap();
        move || {
            let encoded = encoder.encode(&rows);
            assert!(encoded.rows.len() == RECORDS && encoded.refused.is_empty());
        }
    });
}
