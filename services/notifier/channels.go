package notifier

import (
	"github.com/isacloud/ha-manager/services/notifier/channel"
	"github.com/isacloud/ha-manager/services/notifier/channel/chathook"
	"github.com/isacloud/ha-manager/services/notifier/channel/email"
	"github.com/isacloud/ha-manager/services/notifier/channel/log"
	"github.com/isacloud/ha-manager/services/notifier/channel/pagerduty"
	"github.com/isacloud/ha-manager/services/notifier/channel/slack"
	"github.com/isacloud/ha-manager/services/notifier/channel/slackwebhook"
	"github.com/isacloud/ha-manager/services/notifier/channel/webhook"
)

// Drivers are the kinds of channels. Adding one is its own folder and one line here.
func Drivers() []channel.Driver {
	return []channel.Driver{
		slack.Driver,
		slackwebhook.Driver,
		webhook.Driver,
		email.Driver,
		chathook.Discord,
		chathook.Teams,
		chathook.Telegram,
		pagerduty.Driver,
		log.Driver,
	}
}
