;; Exports what is called as a job's interface is, with another function in it.
(component
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (instance $task (export "steal" (func $f)))
  (export "pelton:job/task@0.1.0" (instance $task)))
