package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/isacloud/ha-manager/services/console"
)

// faults are the buttons of the demo's page: what a person may break, and mend.
func (d *demo) faults() []console.Fault {
	var out []console.Fault
	for _, site := range []string{"a", "b"} {
		add := func(name, label, says string, do func(context.Context, string) error) {
			out = append(out, console.Fault{Name: name + "-" + site, Label: label + " " + site, Says: fmt.Sprintf(says, site), Group: group,
				Do: func(ctx context.Context) error { return do(ctx, site) }})
		}
		add("kill", "Kill", "kill -9 of site %s: it refuses connections", d.killSite)
		add("freeze", "Freeze", "SIGSTOP of site %s: it accepts, and never answers", d.signalSite(syscall.SIGSTOP))
		add("slow", "Slow down", "site %s answers later than its check waits", d.siteMode(modeSlow))
		add("cut", "Cut off", "site %s hears, and nothing of what it says arrives", d.siteMode(modeCut))
		add("mend", "Mend", "site %s as it should be: started, thawed, quick", func(ctx context.Context, name string) error {
			d.say(green, "you", "mend site %s", name)
			return d.mendSite(ctx, name)
		})
	}
	return append(out, console.Fault{Name: "bus-gone", Label: "Take the bus away for 10 s", Says: "the nats-server is shut down, and started again after ten seconds", Group: group, Do: d.loseBus})
}

// busGone is how long the bus is away.
const busGone = 10 * time.Second

func (d *demo) loseBus(context.Context) error {
	if !d.stack.LoseBus(busGone) {
		return errors.New("it is away already")
	}
	d.say(red, "you", "took the bus away for %s: nobody swaps without it, and clients go on", busGone)
	return nil
}

func (d *demo) site(name string) *process {
	d.sitesMu.Lock()
	defer d.sitesMu.Unlock()
	return d.sites[name]
}

func (d *demo) killSite(_ context.Context, name string) error {
	d.site(name).kill()
	d.say(red, "you", "killed site %s", name)
	return nil
}

func (d *demo) signalSite(signal syscall.Signal) func(context.Context, string) error {
	return func(_ context.Context, name string) error {
		p := d.site(name)
		select {
		case <-p.gone:
			return fmt.Errorf("site %s does not run: mend it first", name)
		default:
		}
		d.say(red, "you", "froze site %s", name)
		return p.cmd.Process.Signal(signal)
	}
}

// siteMode tells the site's process how to behave from now on.
func (d *demo) siteMode(mode string) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.addrs[name]+"/mode/"+mode, nil)
		if err != nil {
			return err
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("site %s cannot be told: mend it first: %w", name, err)
		}
		resp.Body.Close()
		if mode != modeWell {
			d.say(red, "you", "made site %s %s", name, mode)
		}
		return nil
	}
}

// mendSite starts, thaws and speeds up the site, whatever it needs.
func (d *demo) mendSite(ctx context.Context, name string) error {
	d.sitesMu.Lock()
	defer d.sitesMu.Unlock()
	p := d.sites[name]
	select {
	case <-p.gone:
		next, err := startSite(ctx, d.Program, name, d.addrs[name])
		if err != nil {
			return err
		}
		d.sites[name] = next
	default:
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		if err := d.siteMode(modeWell)(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
