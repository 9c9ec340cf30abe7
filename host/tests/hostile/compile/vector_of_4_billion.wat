;; A list that says it has four billion types, in a component.
(component binary "\00asm\0d\00\01\00\07\06\ff\ff\ff\ff\0f\00")
