;; Ninety memories.
{{90:(memory 1)
}}
