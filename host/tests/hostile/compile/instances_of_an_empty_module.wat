;; A module that is instantiated a thousand times.
(component
  (core module $empty)
  {{1000:(core instance (instantiate $empty))
  }})
