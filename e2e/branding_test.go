package e2e

import "testing"

// An owner chooses colors on a phone, and sees them before they are saved.
func walkBranding(t *testing.T, b *tab) {
	b.open("/console/settings", "console-settings").shot("b0-settings")
	b.open("/console/settings/branding", "console-branding").shot("b1-branding")
	settingsWrite(b, "color", "#ffcc00").leave().click(`button[value="preview_branding"]`).at("console-branding").shot("b2-refused")
	settingsWrite(b, "color", "#8a1c4a").leave().click(`button[value="preview_branding"]`).at("console-branding").shot("b3-preview")
	b.leave().click(`button[value="save_branding"]`).at("console-branding").shot("b4-saved")
	if b.attribute("main .notice", "role") != "status" {
		t.Error("the color was not saved")
	}
}
