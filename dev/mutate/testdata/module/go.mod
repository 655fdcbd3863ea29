module example.org/guarded

go 1.26.0
