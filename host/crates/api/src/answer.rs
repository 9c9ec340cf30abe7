//! An answer on its way: in pieces, so that a connection holds little of it beside the answer itself, which is freed
//! with its last piece; and the place of its request is held for as long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::places::Place;
use crate::problem::Problem;

/// Most bytes of a piece, and of what a connection has taken over and not yet written.
pub(crate) const PIECE: usize = 64 << 10;

/// The body of an answer.
#[derive(Debug)]
struct Answer {
    body: Body,
    /// What is left of the piece that it gave last.
    rest: Bytes,
    place: Arc<Place>,
}

/// The answer as the connection of this place sends it; a refusal, where too much else is not read yet.
pub(crate) fn send(response: Response, place: &Arc<Place>) -> Response {
    let bytes = HttpBody::size_hint(response.body()).lower();
    let taken = place.answer(usize::try_from(bytes).unwrap_or(usize::MAX));
    let response = taken.map_err(Problem::from).map_or_else(Problem::into_response, |()| response);
    response.map(|body| Body::new(Answer { body, rest: Bytes::new(), place: Arc::clone(place) }))
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if !self.rest.is_empty() {
                let most = self.rest.len().min(PIECE);
                return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, HttpBody::size_hint(&self.body));
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.place.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::{Bounds, Kind, Places};

    #[tokio::test]
    async fn an_answer_is_sent_in_pieces_and_its_place_is_free_with_the_last() {
        let places = Places::new(Bounds { unread: 1 << 20, ..Bounds::within(1024) });
        let (entered, other) =
            (places.enter("10.0.0.1:1".parse().unwrap()), places.enter("10.0.0.2:1".parse().unwrap()));
        for place in [&entered, &other] {
            place.asked();
            place.request().unwrap();
        }
        let whole: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let response = send(Body::from(whole.clone()).into_response(), &entered);
        let refused = send(Body::from(vec![0; 1 << 20]).into_response(), &other);
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
        let mut body = response.into_body();
        assert_eq!(HttpBody::size_hint(&body).exact(), Some(200_000));
        let mut read = Vec::new();
        while !body.is_end_stream() {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            let piece = frame.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            assert_eq!(entered.kind(), Some(Kind::Request));
            read.extend(piece);
        }
        drop(body);
        assert!(read == whole);
        assert_eq!(entered.kind(), Some(Kind::Open));
    }
}
