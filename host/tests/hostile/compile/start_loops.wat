;; Loops as soon as it is instantiated.
(func $start (loop $for_ever (br $for_ever)))
(start $start)
