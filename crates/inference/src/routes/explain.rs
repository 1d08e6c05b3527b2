//! `/api/v1/explain`: what each feature adds to what the model says.

use engine::Input;
use engine::explain::{ExplainError, Explanation, Output};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Answer, App, bytes};
use crate::refusal::{Refusal, RefusalKind};
use crate::repository::{Served, Target};
use crate::rows::Rows;
use crate::wire::native;

/// Explaining takes hundreds of times as long as predicting.
const MOST_ROWS: usize = 100;

/// So many contributions are told of each number when the request does not say.
const TOLD: usize = 100;

impl App {
    pub(super) async fn explain(
        &self,
        target: &Target<'_>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let top = top(request.uri().query().unwrap_or_default())?;
        let _place = self.core.enter()?;
        let chosen = self.core.choose(target)?;
        if let Some(error) = chosen.served.model.unexplainable() {
            return Err(Refusal::new(RefusalKind::Unfit, error.to_string()));
        }
        let native::Asked { rows, place, is_list } = match self.native_rows(request, &chosen.served).await? {
            Ok(asked) => asked,
            Err(answer) => return Ok(answer),
        };
        if rows.len() > MOST_ROWS {
            let detail =
                format!("{} rows are too many to explain at once, the most is {MOST_ROWS}", rows.len());
            return Err(Refusal::new(RefusalKind::TooLarge, detail).at(place));
        }
        // the semaphore is never closed
        let one = self.explaining.acquire().await;
        let served = chosen.served;
        let task = tokio::task::spawn_blocking(move || answer(&served, &rows, &place, is_list, top));
        let answered = task.await.map_err(|panic| {
            tracing::error!(%panic, "an explanation failed");
            Refusal::new(RefusalKind::Internal, "the explanation failed")
        })?;
        drop(one);
        answered.map(|text| bytes(StatusCode::OK, text))
    }
}

/// How many contributions are asked for: `top=12`.
fn top(query: &str) -> Result<usize, Refusal> {
    let mut given = query.split('&').filter_map(|pair| pair.strip_prefix("top="));
    let Some(text) = given.next() else { return Ok(TOLD) };
    text.parse::<usize>().map_err(|_| {
        Refusal::new(RefusalKind::Malformed, "the query's `top` is no count")
            .at("top")
            .expecting("a count, as in `top=12`")
    })
}

fn answer(served: &Served, rows: &Rows, place: &str, is_list: bool, top: usize) -> Result<String, Refusal> {
    let inputs = inputs(rows);
    let mut all = Vec::with_capacity(inputs.len());
    for (row, input) in inputs.iter().enumerate() {
        let explained = served.model.explain(std::slice::from_ref(input)).map_err(|error| match error {
            ExplainError::Input(error) => {
                let place = if is_list { format!("{place}[{row}]") } else { place.to_owned() };
                Refusal::of_engine(&error, &served.signature, &place)
            }
            other => Refusal::new(RefusalKind::Unfit, other.to_string()),
        })?;
        all.extend(explained);
    }
    let written = all.iter().map(|explanation| written(explanation, top));
    let mut body = json!({ "model": served.name, "version": served.version });
    match is_list {
        true => body["explanations"] = written.collect(),
        false => body["explanation"] = { written }.next().unwrap_or(Value::Null),
    }
    Ok(body.to_string())
}

fn inputs(rows: &Rows) -> Vec<Input> {
    match rows {
        Rows::Texts(texts) => texts.iter().map(|text| Input::Text(text.clone())).collect(),
        Rows::Numbers(matrix) => (0..matrix.rows).map(|row| Input::Row(matrix.row(row).to_vec())).collect(),
        Rows::Cells(columns) => {
            let cells = |row: usize| columns.iter().map(|column| column[row].clone()).collect();
            (0..rows.len()).map(|row| Input::Cells(cells(row))).collect()
        }
    }
}

fn written(explanation: &Explanation, top: usize) -> Value {
    explanation.outputs.iter().map(|output| of_output(output, top)).collect()
}

/// The contributions that weigh most, the others added up: all together are the score.
fn of_output(output: &Output, top: usize) -> Value {
    let (told, others) = output.contributions.split_at(top.min(output.contributions.len()));
    let told = told.iter().map(|one| {
        let mut contribution =
            json!({ "feature": one.name, "contribution": one.amount, "column": one.column });
        // what is no number has no place in JSON
        contribution["value"] = if one.value.is_finite() { json!(one.value) } else { Value::Null };
        contribution
    });
    let mut written = json!({
        "output": output.output,
        "label": output.label,
        "base": output.base,
        "score": output.score,
        "contributions": told.collect::<Vec<_>>(),
    });
    if !others.is_empty() {
        let sum: f64 = others.iter().map(|one| one.amount).sum();
        written["others"] = json!({ "features": others.len(), "contribution": sum });
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::explain::Contribution;

    #[test]
    fn what_is_left_out_is_added_up() {
        let one = |feature: usize, amount| Contribution {
            feature,
            name: format!("x{feature}"),
            column: Some(feature),
            value: f64::NAN,
            amount,
        };
        let contributions = vec![one(2, -3.0), one(0, 2.0), one(1, 0.5)];
        let output = Output { output: 0, label: None, base: 1.0, score: 0.5, contributions };
        let written = of_output(&output, 1);
        assert_eq!(written["contributions"][0]["contribution"], -3.0);
        assert_eq!(written["contributions"][0]["value"], Value::Null);
        assert_eq!(written["others"], json!({ "features": 2, "contribution": 2.5 }));
        assert!(of_output(&output, 9).get("others").is_none());
        assert_eq!((top("").unwrap(), top("a=1&top=3").unwrap()), (TOLD, 3));
        assert!(top("top=-1").is_err() && top("top=").is_err());
    }
}
