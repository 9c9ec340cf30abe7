;; A component in a component, a thousand times.
;; @nest 1000
