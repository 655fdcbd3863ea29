package main

import "sync"

// inParallel calls do for each item, at most workers at once, and returns the answers in the order of the items.
func inParallel[Item, Answer any](workers int, items []Item, do func(Item) Answer) []Answer {
	answers := make([]Answer, len(items))
	free := make(chan struct{}, workers)
	var all sync.WaitGroup
	for i, item := range items {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			answers[i] = do(item)
		})
	}
	all.Wait()
	return answers
}
