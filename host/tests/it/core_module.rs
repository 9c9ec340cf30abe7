//! A core module as a compiler prints it, taken out of a component that was made of one.

/// The first core module within a component.
pub fn first(component: &[u8]) -> Vec<u8> {
    let mut at = 8;
    loop {
        let id = component[at];
        let mut length = 0;
        for shift in (0..).step_by(7) {
            at += 1;
            length |= usize::from(component[at] & 0x7f) << shift;
            if component[at] < 0x80 {
                break;
            }
        }
        at += 1;
        // A section of one core module.
        if id == 1 {
            return component[at..at + length].to_vec();
        }
        at += length;
    }
}
