;; Wants the host to give it a component.
(component (import "another" (component)))
