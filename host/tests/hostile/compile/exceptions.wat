;; Uses a part of WebAssembly that the host has not turned on.
(tag $e)
(func $f (throw $e))
