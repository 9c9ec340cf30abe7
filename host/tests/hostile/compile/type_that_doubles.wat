;; A type of which each part is two of the one before: a gigabyte of them if anyone unfolds it.
(component
  (type $t0 (tuple u8 u8))
  {{30:(type $t@ (tuple $t# $t#))
  }}
  (import "f" (func (param "p" $t30))))
