//! What is told of the version of a job that handled a record.

/// What a dead letter tells of the version that gave up on it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// As the job declares it.
    pub declared: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
}
