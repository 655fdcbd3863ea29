// Package watch is `ham watch`: the console's overview, group page and guarded button for whoever has a terminal and nothing else.
//
// It promises:
//
//   - What it shows is the console's board in the console's words. What is older than a few seconds is said to be old over everything else, by a
//     bar that no colour is needed to see; the clock in the first line goes on, so that a connection that hangs is seen to hang.
//   - The button fires the plan that was shown, or nothing: plan hash and epoch travel with the request. It takes the group's name, typed, and
//     then a key that is held; a key that was held for something else does nothing on the next screen.
//   - Text from elsewhere (evidence, reasons, names of hosts) never drives the terminal: everything that is shown goes through [clean].
//   - The terminal is left as it was found, also at SIGTERM, SIGHUP and a panic of the screen's own. After SIGKILL nothing can: `reset` helps.
//
// [Model] is pure: what happened is handed to [Model.Update] with its time, and what is to be asked comes back as effects. [Run] is the
// shell around it, [Lines] what is printed where no terminal is.
package watch
